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
from .forms import MOST_TOGETHER, MOST_TOGETHER_BYTES, Form, Written
from .link import Link
from .model import Model
from .tensors import Packed, Unpacked
from .wire import Channel, Message

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
        requests, streams, held_back = [], [], header.get("p", ())
        for index, row in enumerate(header["r"]):
            wanted = row[5] or self._outputs
            stream = Stream(link, batch, index, wanted, is_decoupled=self._is_decoupled, is_sent=self._streams)
            stream.is_held_back = index in held_back
            known[batch, index] = stream
            requests.append(InferenceRequest._of(row, stream, list(wanted), _Inputs(row[7], unpacked)))
            streams.append(stream)
        return requests, streams

    def formed(
        self, batch: int, rows: Sequence[tuple[Form, str]], message: Message
    ) -> tuple[list[InferenceRequest], list[Stream]]:
        """Make the requests of an order in forms; for models that give one answer each."""
        link, running, at = self._link, self._link.running, message.tail
        requests, streams = [], []
        for index, (form, request_id) in enumerate(rows):
            wanted = form.outputs or self._outputs
            stream = Stream(link, batch, index, wanted, is_decoupled=False, is_sent=False)
            running[batch, index] = stream
            inputs = _FormedInputs(form, message.frame, at)
            requests.append(InferenceRequest._of((request_id, *_PLAIN), stream, list(wanted), inputs))
            streams.append(stream)
            at += form.size
        return requests, streams

    def run(self, requests: list[InferenceRequest], streams: list[Stream]) -> Ran:
        """Run a batch of a model that gives one answer each."""
        began_s = time.perf_counter()
        failure, answers = None, []
        try:
            returned = self.model.execute(requests)
            answers = [self._kept(one, stream) for one, stream in zip(self.checked(requests, returned), streams)]
        except BaseException as error:  # noqa: BLE001 — model code may raise anything, SystemExit included
            failure = error_of(error, self._instance)
        ended_s = time.perf_counter()
        self._link.running.clear()
        return Ran(answers, streams, failure, began_s, ended_s)

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


class Ran:
    """A batch that has run."""

    __slots__ = ("_answers", "_failure", "_streams", "began_s", "ended_s")

    def __init__(
        self, answers: list[Any], streams: list[Stream], failure: list[Any] | None, began_s: float, ended_s: float
    ) -> None:
        """failure: row of the error that stands for all of them that have not been answered."""
        self._answers = answers
        self._streams = streams
        self._failure = failure
        self.began_s, self.ended_s = began_s, ended_s

    def rows(self, packed: Packed) -> list[Any]:
        """Write the answers for a message."""
        if self._failure is not None:
            return [_sent(packed, stream) or [self._failure, None, [], None] for stream in self._streams]
        return [
            one if one == RESCHEDULED else answer_row(packed, one, stream._wanted)
            for one, stream in zip(self._answers, self._streams)
        ]

    def formed(self, written: Written, channel: Channel) -> tuple[list[Form], list[bytes]] | None:
        """Return the answers' forms and their tensors' bytes, if all have a form. Raises OSError."""
        if self._failure is not None or len(self._answers) > MOST_TOGETHER:
            return None
        forms, pieces, size = [], [], 0
        for one, stream in zip(self._answers, self._streams):
            if one is RESCHEDULED or one._error is not None or one._parameters:
                return None
            tensors = one._tensors
            key = ((), *[(each._name, each._datatype, each._data.dtype, each._data.shape) for each in tensors])
            form = written.find(key, channel)
            if form is None or not form.names.issubset(stream._wanted):
                return None
            size += form.size
            if size > MOST_TOGETHER_BYTES:
                return None
            forms.append(form)
            for each, pad in zip(tensors, form.pads):
                pieces.append(each._data.tobytes())
                if pad:
                    pieces.append(pad)
        return forms, pieces


_PLAIN = (0, 0, 0, None, None, None)
"""What a request in a form has behind its id."""


class _FormedInputs:
    """Makes the inputs of one request in a form when the model first asks for them."""

    __slots__ = ("_at", "_form", "_frame")

    def __init__(self, form: Form, frame: Any, at: int) -> None:
        self._form = form
        self._frame = frame
        self._at = at

    def __call__(self) -> list[Tensor]:
        form = self._form
        return [Tensor._of(row[0], row[1], data) for row, data in zip(form.tensors, form.arrays(self._frame, self._at))]


class _Inputs:
    """Makes the inputs of one request when the model first asks for them."""

    __slots__ = ("_rows", "_unpacked")

    def __init__(self, rows: list[Any], unpacked: Unpacked) -> None:
        self._rows = rows
        self._unpacked = unpacked

    def __call__(self) -> list[Tensor]:
        array = self._unpacked.array
        return [Tensor._of(row[0], row[1], array(row)) for row in self._rows]


def _sent(packed: Packed, stream: Stream) -> list[Any] | None:
    """Return the answer that a request had by its sender before all others failed."""
    if not stream.is_closed or stream.answer is None:
        return None
    return answer_row(packed, stream.answer, stream._wanted)


def _has_other_way(request: InferenceRequest) -> bool:
    """Whether a request need not be answered by the return value."""
    return request._stream.has_sender or _is_rescheduled(request)


def _is_rescheduled(request: InferenceRequest) -> bool:
    request._stream.is_rescheduled = request._release == RELEASE_RESCHEDULE
    return bool(request._stream.is_rescheduled)
