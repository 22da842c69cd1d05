"""Requests of iterative sequences: each is a sequence of its own, whose id is given out here if it brings none."""

from __future__ import annotations

from dataclasses import replace

from naiad.core.message import InferRequest, SequenceStep
from naiad.scheduling.sequences.live import LiveSequences


class Iterations:
    """Makes sequences of the requests of one model version."""

    def __init__(self, live: LiveSequences) -> None:
        self._live = live
        self._last_id = 0

    def begin(self, request: InferRequest) -> InferRequest:
        """Return a request that can run again and again; the caller's stays as it is."""
        step = request.sequence
        if step is None or not step.id:
            return replace(request, sequence=SequenceStep(self._new_id(), is_first=True))
        return replace(request, sequence=replace(step))

    def _new_id(self) -> int:
        """Return an id that no sequence has."""
        self._last_id += 1
        while self._live.knows(self._last_id):
            self._last_id += 1
        return self._last_id
