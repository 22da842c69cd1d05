"""A model that takes tensors and gives tensors: one job per request, joined with others along the batch dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instances
from naiad.core.message import InferRequest, add_stages
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Array
from naiad.core.trace import Trace
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.batching.scheduler import BatchScheduler
from naiad.scheduling.batching.tally import tally_of
from naiad.scheduling.contract import CountsSequences, Execution, Job, Runner
from naiad.scheduling.kinds import open_scheduler
from naiad.scheduling.rate_limiter.limiter import Member, RateLimiter
from naiad.scheduling.rate_limiter.runner import RateLimitedRunner
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck


class TensorModel:
    """One loaded version of a plain model."""

    def __init__(
        self,
        config: ModelConfig,
        version: str,
        instances: Instances[InferRequest],
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
        statistics: ModelStatistics | None = None,
        max_waiting: int = 0,
        runs_ahead: bool = True,
        clock: Clock = monotonic,
        initial_states: Mapping[str, Array] | None = None,
    ) -> None:
        """Make a model of loaded instances.

        labels: by output name, for classification. statistics: where to count; default: the usual ones. max_waiting:
        most requests that may wait, whatever the model's own queue policy says; 0 = no bound. runs_ahead: see
        `BatchScheduler`. initial_states: of sequences, by input name, without the batch dimension; default: zeros.
        """
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = statistics or ModelStatistics(config.name, version)
        self.labels = labels or {}
        self.has_rows = config.max_batch_size > 0
        self._clock = clock
        self._check = RequestCheck(config)
        self._is_shaped = not self._check.has_one_shape and config.max_batch_size > 1
        """Requests may share a batch, but not with every other."""
        self._costs = None if config.batch_cost is None else config.batch_cost.input
        """The input whose elements are what a request costs."""
        self._scheduler = open_scheduler(
            config,
            instances,
            self._count_run,
            max_waiting=max_waiting,
            runs_ahead=runs_ahead,
            clock=clock,
            initial_states=initial_states,
        )
        self.statistics.count_pending = lambda: self._scheduler.pending
        self.statistics.count_running = lambda: self._scheduler.in_hand
        self._is_ready, restarts = instances.is_ready, instances.restarts
        if restarts is not None:
            self.statistics.workers = lambda: (self.is_ready, restarts())
        self.statistics.tally = tally_of(self._scheduler)
        batching = config.dynamic_batching
        self._has_priorities = batching is not None and batching.priority_levels > 1
        if self._has_priorities and isinstance(self._scheduler, BatchScheduler):
            self.statistics.count_by_priority = self._scheduler.pending_by_level
        if isinstance(self._scheduler, CountsSequences):
            self.statistics.count_sequences = self._scheduler.count_sequences

    @property
    def is_ready(self) -> bool:
        """See `ReportsReadiness`."""
        return self._is_ready is None or self._is_ready()

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        rows = self._check.rows(request)
        key = self._check.key(request) if self._is_shaped else None
        job = Job(request, rows, self._done, key)
        if self._costs is not None and self._costs in request.inputs:
            job.cost = request.inputs[self._costs].data.size
        job.owner = sender
        sender.on_cancel = partial(self._scheduler.cancel, job)
        self._scheduler.submit(job, request.priority, request.timeout_us)

    def limit_rates(self, limiter: RateLimiter) -> None:
        """Have every execution wait for the resources that its instance needs. Raises LoadFailed."""
        groups = [group for group in self.config.instance_groups if not group.is_passive]
        members = limiter.register([group.rate_limit for group in groups for _ in range(group.count)])
        runners: list[RateLimitedRunner] = []

        def wrap(member: Member, runner: Runner) -> RateLimitedRunner:
            runners.append(RateLimitedRunner(runner, limiter, member, self.statistics.record_limit))
            return runners[-1]

        self._scheduler.limit([partial(wrap, member) for member in members])
        self.statistics.count_limited = lambda: sum(runner.waiting for runner in runners)

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
            if self._has_priorities:
                self.statistics.record_queue(job.level, sender.queue_s)
            if sender.request.stages_s is not None and run.output_ready_s:
                add_stages(sender.request.stages_s, run.stages)
        sender.rows = job.size
        sender.send(result, is_final)

    def _count_run(self, run: Execution) -> None:
        if run.output_ready_s:  # else it failed as a whole
            stages = run.stages
            self.statistics.record_run(run.size, *stages)
            self.statistics.record_compute(run.successes, *stages)


def _mark(trace: Trace, job: Job) -> None:
    """Note the moments of a request that was one job."""
    run = job.execution
    if run is None:
        trace.mark_run(job.queued_s, 0.0, 0.0, 0.0, 0.0)
    else:
        trace.mark_run(job.queued_s, run.started_s, run.input_ready_s, run.output_ready_s, run.finished_s)
