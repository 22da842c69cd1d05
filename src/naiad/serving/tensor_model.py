"""A model that takes tensors and gives tensors: one job per request, joined with others along the batch dimension."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Overloaded
from naiad.core.message import InferRequest
from naiad.core.model_config import ModelConfig
from naiad.core.trace import Trace
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import Execution, Job, JobQueue
from naiad.scheduling.runner import Runner
from naiad.scheduling.scheduler import Scheduler
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck


class TensorModel:
    """One loaded version of a plain model."""

    def __init__(
        self,
        config: ModelConfig,
        version: str,
        runners: Sequence[Runner],
        *,
        wide: Runner | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
        max_waiting: int = 0,
        clock: Clock = monotonic,
    ) -> None:
        """Make a model of loaded instances.

        wide: a runner with all cores, for a lone request. labels: by output name, for classification.
        max_waiting: most requests that may wait, whatever the model's own queue policy says; 0 = no bound.
        """
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = ModelStatistics(config.name, version)
        self.labels = labels or {}
        self.has_rows = config.max_batch_size > 0
        self._max_waiting = max_waiting or sys.maxsize
        self._clock = clock
        self._check = RequestCheck(config)
        batching = config.dynamic_batching
        self._scheduler = Scheduler(
            runners,
            partial(decide_dynamic, rule=dynamic_rule(config)),
            job_queue(config),
            wide=wide,
            preserves_ordering=batching is not None and batching.preserves_ordering,
            on_run=self._count_run,
            clock=clock,
        )
        self.statistics.count_pending = lambda: self._scheduler.pending

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        rows, key = self._check.check(request)
        if self._scheduler.pending >= self._max_waiting:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._max_waiting)
        job = Job(request, rows, self._done, key)
        job.owner = sender
        sender.on_cancel = partial(self._scheduler.cancel, job)
        self._scheduler.submit(job, request.priority, request.timeout_us)

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        await self._scheduler.drain()

    def close(self) -> None:
        """See `ServedModel.close`."""
        self._scheduler.close()

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        sender: ResponseSender = job.owner
        run = job.execution
        if sender.request.trace is not None:
            _mark(sender.request.trace, job)
        if run is not None:
            sender.queue_s = run.started_s - job.queued_s
        sender.rows = job.size
        sender.send(result, is_final)

    def _count_run(self, run: Execution) -> None:
        statistics = self.statistics
        if run.output_ready_s:  # else it failed as a whole
            statistics.record_run(run.size, *run.stages)
            statistics.record_compute(run.successes, *run.stages)


def _mark(trace: Trace, job: Job) -> None:
    """Note the moments of a request that was one job."""
    run = job.execution
    if run is None:
        trace.mark_run(job.queued_s, 0.0, 0.0, 0.0, 0.0)
    else:
        trace.mark_run(job.queued_s, run.started_s, run.input_ready_s, run.output_ready_s, run.finished_s)


def dynamic_rule(config: ModelConfig) -> DynamicRule:
    """Return how requests of this model are joined.

    Without a `dynamic_batching` block, requests that wait anyway are still joined (never waiting for company): the
    model has declared that it takes batches. `parameters { key: "batching" value { string_value: "off" } }` forbids it.
    """
    batching = config.dynamic_batching
    if config.max_batch_size < 1 or config.parameters.get("batching") == "off":
        return DynamicRule(max_batch_size=1)
    if batching is None:
        return DynamicRule(config.max_batch_size)
    return DynamicRule(config.max_batch_size, batching.preferred_batch_sizes, batching.max_queue_delay_s)


def job_queue(config: ModelConfig) -> JobQueue:
    """Return an empty queue with the model's bounds and priorities."""
    batching = config.dynamic_batching
    if batching is None:
        return JobQueue()
    return JobQueue(
        batching.default_queue_policy,
        batching.priority_levels,
        batching.default_priority_level,
        dict(batching.priority_queue_policies),
    )
