"""Puts outputs into the memory that their request named, once they are there and only if somebody still waits for them.

It stands between a model and a door: the door gets the answer after its outputs have been written, or an error instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from naiad.core.client_memory import OutputMemory
from naiad.core.errors import Failed, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse, Respond
from naiad.protocol import binary
from naiad.serving.model import Cancel

_log = logging.getLogger("naiad.serving")


class Delivery:
    """The answers of one request on their way; called on the event loop's thread."""

    __slots__ = ("_cancel", "_is_over", "_is_withdrawn", "_places", "_respond")

    def __init__(self, places: dict[str, OutputMemory], respond: Respond) -> None:
        """places: by output."""
        self._places = places
        self._respond = respond
        self._cancel: Cancel | None = None
        self._is_withdrawn = False
        self._is_over = False

    def submit(self, submit: Callable[[InferRequest, Respond], Cancel], request: InferRequest) -> Cancel:
        """Send the request on its way; the result withdraws it, after which nothing is written."""
        cancel = submit(request, self)
        if not self._is_over:
            self._cancel = cancel
        return self.withdraw

    def withdraw(self) -> object:
        """Withdraw the request, see `ServedModel.submit`."""
        self._is_withdrawn = True
        return None if self._cancel is None else self._cancel()

    def store(self, answer: Answer) -> Answer:
        """Write an answer's outputs, once; an error if that cannot be."""
        if not isinstance(answer, InferResponse) or self._is_withdrawn or answer.stored:
            return answer
        try:
            _store(answer, self._places)
        except NaiadError as error:
            return error.with_traceback(None)  # which would refer to this frame, which refers to the error
        except Exception:  # noqa: BLE001 — a mistake of ours costs this answer, not the others of its batch
            _log.exception("outputs of model '%s' could not be written", answer.model_name)
            return Failed("internal error")
        return answer

    def __call__(self, answer: Answer, is_last: bool) -> None:
        """Take an answer, write its outputs and pass it on."""
        answer = self.store(answer)
        if is_last:
            self._is_over = True
            self._places, self._cancel = {}, None  # or they would keep each other, and the regions, from going
        self._respond(answer, is_last)


def stored(answer: Answer, respond: Respond) -> Answer:
    """Return what `respond` will pass on, outputs written: for a model that counts successes and failures before."""
    return respond.store(answer) if isinstance(respond, Delivery) else answer


def _store(answer: InferResponse, places: dict[str, OutputMemory]) -> None:
    """Write all outputs that have a place, or none: sizes are checked before."""
    pending: list[tuple[OutputMemory, bytes | memoryview]] = []
    for tensor in answer.outputs:
        place = places.get(tensor.name)
        if place is None:
            continue
        raw = binary.view(tensor)
        if len(raw) > place.byte_size:
            raise Failed(
                f"shared memory size specified with the request for output '{tensor.name}' ({place.byte_size} bytes) "
                f"should be at least {len(raw)} bytes to hold the results",
                tensor=tensor.name,
            )
        pending.append((place, raw))
    for place, raw in pending:
        place.write(raw)
    answer.stored = frozenset(places)
