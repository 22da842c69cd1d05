"""The answers of one request that came from the server: what may be sent when, and how it goes there.

A request and its sender share one of these. Where the model streams, each answer is sent at once; elsewhere there is
one, which is kept for the reply to the whole batch.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from . import wire
from .api.errors import TritonError, TritonModelException
from .api.response import InferenceResponse
from .link import Link
from .shown import shown
from .tensors import Packed

FINAL = 1
"""TRITONSERVER_RESPONSE_COMPLETE_FINAL."""

LOST = "the model has let go of the request without a last response"


_changed = threading.Condition()
"""Notified when a stream has had its last answer, or may go on; one for all, because hardly any is waited for."""


class WrongAnswer(TritonModelException):
    """What `execute` returned is not what it must return."""


class Stream:
    """One request's way back."""

    def __init__(
        self, link: Link, batch: int, index: int, wanted: Collection[str], *, is_decoupled: bool, is_sent: bool
    ) -> None:
        """is_decoupled: there may be any number of answers. is_sent: they go out at once, by the side channel."""
        self.is_withdrawn = False
        self.is_closed = False
        """It has had its last answer."""
        self.has_sender = False
        self.answer: InferenceResponse | None = None
        """The one that is kept."""
        self.is_rescheduled = False
        self._link = link
        self._key = (batch, index)
        self._wanted = wanted
        self._is_decoupled = is_decoupled
        self._is_sent = is_sent
        self._has_sent = False
        self.is_held_back = False
        """No answer is sent before the one before it has been taken up."""
        self._sent = self._taken = 0

    def withdraw(self) -> None:
        """Note that nobody waits for answers any more."""
        with _changed:
            self.is_withdrawn = True
            _changed.notify_all()

    def note_taken(self, number: int) -> None:
        """Note that so many answers have been taken up."""
        with _changed:
            self._taken = max(self._taken, number)
            _changed.notify_all()

    def send(self, response: InferenceResponse | None, flags: int) -> None:
        """Take what the model sends by its sender; the words of the errors are Triton's."""
        if self.is_closed:
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        if flags not in (0, FINAL):
            raise TritonModelException("Unable to send response. Unsupported flag provided.")
        if response is None and flags == 0:
            raise TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero."
            )
        if response is not None and not isinstance(response, InferenceResponse):
            raise TypeError(f"send takes a pb_utils.InferenceResponse, not {type(response).__name__}")
        if not self._is_decoupled:
            if response is None and not self._has_sent:
                raise TritonModelException(
                    "Unable to send response. Non-decoupled model cannot send complete final before sending a response."
                )
            if response is not None and self._has_sent:
                raise TritonModelException(
                    "Unable to send response. Non-decoupled model cannot send more than one response."
                )
        self.give(response, is_final=flags == FINAL)

    def give(self, response: InferenceResponse | None, *, is_final: bool) -> None:
        """Send an answer, or keep it."""
        self._has_sent = True
        if not self._is_decoupled:
            self.answer = response or self.answer
            if not is_final:
                return  # who may give one answer only has nothing to say before its end
            response = self.answer
        self.is_closed = self.is_closed or is_final
        if self._is_sent:
            packed = self._link.packed()
            answer = None if response is None else answer_row(packed, response, self._wanted)
            self._link.send(wire.RESPONSE, {"b": self._key[0], "i": self._key[1], "a": answer, "f": is_final}, packed)
        if is_final:
            with _changed:
                _changed.notify_all()
        elif self.is_held_back:
            self._sent += 1
            sent = self._sent
            with _changed:
                _changed.wait_for(lambda: self._taken >= sent or self.is_withdrawn or self.is_closed)

    def fail(self, error: TritonError) -> None:
        """End it with an error, unless it has ended."""
        if not self.is_closed:
            self.answer = None
            self.give(InferenceResponse(error=error), is_final=True)

    def wait(self) -> None:
        """Wait for the last answer, which a thread of the model's will give."""
        with _changed:
            _changed.wait_for(lambda: self.is_closed)

    def __del__(self) -> None:
        """Nothing more can come: a stream that has not ended never will, so that it ends here."""
        if self._is_sent and not self.is_closed and not self.is_rescheduled:
            self.fail(TritonError(LOST))


def answer_row(packed: Packed, response: InferenceResponse, wanted: Collection[str]) -> list[Any]:
    """Write an answer for a message: `[error, parameters, tensors, names that nobody wants]`.

    The last is null, unless a wanted output is missing: then a wrong name may be why.
    """
    error = response.error()
    if error is not None:
        return [[error.code(), error.message(), ""], None, [], None]
    rows, others = [], []
    for tensor in response.output_tensors():
        if tensor.name() in wanted:
            rows.append(packed.add(tensor._name, tensor._datatype, tensor._data))
        else:
            others.append(tensor.name())
    return [None, response._parameters, rows, others if others and len(rows) < len(wanted) else None]


def error_of(raised: BaseException, instance: str) -> list[Any]:
    """Write for a message what model code raised: code, what clients are told, and the traceback for the log."""
    told = str(raised)
    if not isinstance(raised, WrongAnswer):
        told = f"{type(raised).__name__}: {told}" if told else type(raised).__name__
    message = f"Failed to process the request(s) for model '{instance}', message: {told}"
    return [TritonError.INTERNAL, message, shown(raised)]
