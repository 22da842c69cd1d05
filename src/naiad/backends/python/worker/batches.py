"""Runs batches: makes requests of a message, calls `execute`, and makes of what it returns answers, each exactly one.

Words of errors that a model causes are Triton's where it has them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .answering import Stream, WrongAnswer, answer_row, error_of
from .api.request import RELEASE_RESCHEDULE, InferenceRequest
from .api.response import InferenceResponse
from .api.tensor import Tensor
from .link import Link
from .model import Model
from .tensors import Packed, Unpacked

RESCHEDULED = "rescheduled"
"""In the place of an answer: the request is to come back."""


class Batches:
    """Runs the batches of one model."""

    def __init__(
        self, link: Link, model: Model, instance: str, outputs: Sequence[str], *, is_decoupled: bool, streams: bool
    ) -> None:
        """outputs: names of all. streams: answers go out by the side channel."""
        self.model = model
        self._link = link
        self._instance = instance
        self._outputs = list(outputs)
        self._is_decoupled = is_decoupled
        self._streams = streams

    def requests(self, header: dict[str, Any], unpacked: Unpacked) -> tuple[list[InferenceRequest], list[Stream]]:
        """Make the requests of an order."""
        link, batch = self._link, header["b"]
        known: Any = link.streams if self._streams else link.running
        requests, streams = [], []
        for index, row in enumerate(header["r"]):
            wanted = row[5] or self._outputs
            stream = Stream(link, batch, index, wanted, is_decoupled=self._is_decoupled, is_sent=self._streams)
            known[batch, index] = stream
            requests.append(InferenceRequest._of(row, stream, list(wanted), _Inputs(row[7], unpacked)))
            streams.append(stream)
        return requests, streams

    def run(self, header: dict[str, Any], unpacked: Unpacked, packed: Packed) -> dict[str, Any]:
        """Run a batch of a model that gives one answer each, and return the reply: answers, and when it ran."""
        requests, streams = self.requests(header, unpacked)
        began = time.perf_counter()
        try:
            returned = self.model.execute(requests)
            answers = [self._kept(one, stream) for one, stream in zip(self.checked(requests, returned), streams)]
            ended = time.perf_counter()
            rows = [
                one if one == RESCHEDULED else answer_row(packed, one, stream._wanted)
                for one, stream in zip(answers, streams)
            ]
        except BaseException as error:  # noqa: BLE001 — model code may raise anything, SystemExit included
            ended = time.perf_counter()
            failure = error_of(error, self._instance)
            rows = [self._sent(packed, stream) or [failure, None, [], None] for stream in streams]
        self._link.running.clear()
        return {"b": header["b"], "a": rows, "t": [began, ended]}

    def _sent(self, packed: Packed, stream: Stream) -> list[Any] | None:
        """Return the answer that a request had by its sender before all others failed."""
        if not stream.is_closed or stream.answer is None:
            return None
        return answer_row(packed, stream.answer, stream._wanted)

    def checked(self, requests: Sequence[InferenceRequest], returned: Any) -> list[Any]:
        """Return what `execute` returned. Raises WrongAnswer for what it must not return."""
        if returned is None and (self._is_decoupled or all(_has_other_way(one) for one in requests)):
            return [None] * len(requests)
        if self._is_decoupled:
            raise WrongAnswer(
                f"Python model '{self._instance}' is using the decoupled mode and the execute function must return "
                "None."
            )
        if not isinstance(returned, (list, tuple)):
            raise WrongAnswer(f"Expected a list in the execute return, found type '{type(returned)}'.")
        if len(returned) != len(requests):
            raise WrongAnswer(
                "Number of InferenceResponse objects do not match the number of InferenceRequest objects. "
                f"InferenceRequest(s) size is:{len(requests)}, and InferenceResponse(s) size is:{len(returned)}\n"
            )
        for one, request in zip(returned, requests):
            if not isinstance(one, InferenceResponse) and not (one is None and _has_other_way(request)):
                raise WrongAnswer(
                    "Expected an 'InferenceResponse' object in the execute function return list, found type "
                    f"'{type(one)}'."
                )
            if one is not None and _is_rescheduled(request):
                raise WrongAnswer("Expected a None object in the execute function return list for rescheduled request.")
        return list(returned)

    def _kept(self, returned: InferenceResponse | None, stream: Stream) -> Any:
        """Return the answer of one request; where a sender will give it, wait for that."""
        if returned is not None:
            if stream.is_closed:
                raise WrongAnswer("a request was answered by its sender and by the return value of execute")
            stream.is_closed = True
            return returned
        if stream.is_rescheduled:
            return RESCHEDULED
        stream.wait()
        return stream.answer


class _Inputs:
    """Makes the inputs of one request when the model first asks for them."""

    __slots__ = ("_rows", "_unpacked")

    def __init__(self, rows: list[Any], unpacked: Unpacked) -> None:
        self._rows = rows
        self._unpacked = unpacked

    def __call__(self) -> list[Tensor]:
        array = self._unpacked.array
        return [Tensor._of(row[0], row[1], array(row)) for row in self._rows]


def _has_other_way(request: InferenceRequest) -> bool:
    """Whether a request need not be answered by the return value."""
    return request._stream.has_sender or _is_rescheduled(request)


def _is_rescheduled(request: InferenceRequest) -> bool:
    request._stream.is_rescheduled = request._release == RELEASE_RESCHEDULE
    return bool(request._stream.is_rescheduled)
