"""A model that takes tensors and gives tensors: one job per request, joined with others along the batch dimension."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Failed, NaiadError, Overloaded
from naiad.core.message import InferRequest, InferResponse, Respond
from naiad.core.model_config import ModelConfig
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.queue import BatchRun, Job, JobQueue
from naiad.scheduling.runner import Runner
from naiad.scheduling.scheduler import Scheduler
from naiad.serving.classification import classify
from naiad.serving.failures import failure_reason, naming_request
from naiad.serving.model import Cancel
from naiad.serving.moments import mark_job
from naiad.serving.shared_memory.delivery import stored
from naiad.serving.validation import RequestCheck

_log = logging.getLogger("naiad.serving")


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
        self._labels = labels or {}
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

    def submit(self, request: InferRequest, respond: Respond) -> Cancel:
        """See `ServedModel.submit`."""
        rows, key = self._check.check(request)
        if self._scheduler.pending >= self._max_waiting:
            raise Overloaded("Exceeds maximum queue size", queue_size=self._max_waiting)
        job = Job(request, rows, self._done, key)
        job.owner = respond
        self._scheduler.submit(job, request.priority, request.timeout_us)
        return partial(self._scheduler.cancel, job)

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        await self._scheduler.drain()

    def close(self) -> None:
        """See `ServedModel.close`."""
        self._scheduler.close()

    def _done(self, job: Job, result: Any) -> None:
        request: InferRequest = job.item
        statistics = self.statistics
        run = job.run
        now = self._clock()
        if request.trace is not None:
            mark_job(request.trace, job)
        if not isinstance(result, NaiadError):
            result = self._complete(request, result)
            if request.places is not None:
                result = stored(result, job.owner)
        if isinstance(result, NaiadError):
            statistics.record_failure(failure_reason(result), now - request.arrived_s)
            job.owner(naming_request(result, request), True)
            return
        assert run is not None
        statistics.record_answer(now - request.arrived_s, run.started_s - job.queued_s, job.size)
        job.owner(result, True)

    def _complete(self, request: InferRequest, response: InferResponse) -> InferResponse | NaiadError:
        response.model_version = self.version
        response.id = request.id
        if any(output.class_count for output in request.outputs):
            try:
                return classify(response, request, self._labels, has_batch=self.config.max_batch_size > 0)
            except NaiadError as error:
                return error
            except Exception:  # noqa: BLE001 — whoever asked is answered
                _log.exception("classes of model '%s' failed", self.name)
                return Failed("internal error")
        return response

    def _count_run(self, run: BatchRun) -> None:
        statistics = self.statistics
        if run.output_ready_s:  # else it failed as a whole
            statistics.record_run(run.size, *run.stages)
            statistics.record_compute(run.successes, *run.stages)


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
