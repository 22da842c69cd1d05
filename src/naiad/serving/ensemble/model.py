"""An ensemble as a model among others: takes requests, counts them, ends.

It is made for certain copies of its parts and goes with them: when one of these is loaded again, a new ensemble takes
the place of this one, which first answers what it has taken. So the parts of a request never change under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import NotReady
from naiad.core.message import Answer, InferRequest, InferResponse, add_stages
from naiad.core.model.config import ModelConfig
from naiad.observe.statistics import ModelStatistics, StepTimes
from naiad.serving.ensemble.flight import Flight, Loaded
from naiad.serving.ensemble.limits import StepLimit, steps_behind
from naiad.serving.ensemble.plan import Plan
from naiad.serving.model import ServedModel
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck

if TYPE_CHECKING:
    from naiad.serving.engine import Engine


class EnsembleModel:
    """One loaded version of an ensemble, over the parts that it was made for."""

    def __init__(
        self,
        config: ModelConfig,
        version: str,
        plan: Plan,
        parts: Sequence[ServedModel],
        engine: Engine,
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
        statistics: ModelStatistics | None = None,
        clock: Clock = monotonic,
    ) -> None:
        """parts: by step. labels: by output name, for classification. statistics: default: the usual ones."""
        assert config.ensemble is not None
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = statistics or ModelStatistics(config.name, version)
        self.labels = labels or {}
        self.has_rows = config.max_batch_size > 0
        self._clock = clock
        self._check = RequestCheck(config)
        most = config.ensemble.max_inflight_requests
        limits = [StepLimit(most) for _ in parts] if most else []
        times = [StepTimes(part.name) for part in parts]
        self._ensemble = Loaded(plan, parts, engine, limits, steps_behind(plan, parts), times)
        self.statistics.steps = times
        self.statistics.count_held = lambda: [limit.waiting for limit in limits] or [0] * len(times)
        self._flights: set[Flight] = set()
        self._is_stopping = False
        self._waiters: list[asyncio.Future[None]] = []

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        if self._is_stopping:
            raise NotReady("Server is stopping, scheduler for model has stopped accepting new inference requests")
        sender.rows = self._check.rows(request)
        if request.trace is not None:
            request.trace.mark("QUEUE_START", request.arrived_s)
        flight = Flight(self._ensemble, request, sender, self._ended)
        sender.on_cancel = flight.cancel
        self._flights.add(flight)
        flight.begin()

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        self._is_stopping = True
        if self._flights:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def close(self) -> None:
        """See `ServedModel.close`; there is nothing but the parts, which are models of their own."""
        self._is_stopping = True

    def _ended(self, flight: Flight, answer: Answer | None) -> None:
        """Count what the steps of a request took, which as in Triton is the ensemble's own time."""
        self._flights.discard(flight)
        sender, stages = flight.sender, flight.stages_s
        is_success = isinstance(answer, InferResponse) or (answer is None and not sender.is_cancelled)
        if is_success:
            self.statistics.record_run(sender.rows, *stages)
            self.statistics.record_compute(1, *stages)
            if self.config.is_decoupled:  # whose sender counts answers, but not requests
                self.statistics.record_answer(self._clock() - flight.request.arrived_s, 0.0, sender.rows)
        if flight.request.stages_s is not None:
            add_stages(flight.request.stages_s, stages)
        if not self._flights:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()
