"""A model that takes texts or images: a task turns each request into what an encoder runs, and decodes what comes back.

Texts, not requests, are what waits and what is batched: they are joined by length across requests, and one large
request is spread over many batches. The raw-tensor view of a model is another TextModel over the same EncoderQueue.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instances, Preparation, Task
from naiad.core.encoder import EncoderResult
from naiad.core.errors import Failed, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model_config import ModelConfig
from naiad.core.trace import Trace
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.kinds import ONE_BY_ONE, open_batches
from naiad.serving.encoder_queue import EncoderQueue
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck

_log = logging.getLogger("naiad.serving")

VIEW_SUFFIX = ".tensors"
"""What the name of a model's raw-tensor view ends in."""

RANKING_SUFFIX = ".ranking"
"""What the name of a late-interaction model ends in where it ranks."""

LIGHT_BYTES = 4096
"""Requests with less text than this are tokenised on the event loop (under 0.5 ms); heavier ones in a thread."""


class _Flight:
    """One request on its way: its texts are run in any order and answered together."""

    __slots__ = (
        "first_run",
        "jobs",
        "missing",
        "model",
        "preparation",
        "queued_s",
        "ran_s",
        "request",
        "results",
        "sender",
        "tokens",
    )

    def __init__(self, model: TextModel, request: InferRequest, sender: ResponseSender) -> None:
        self.model = model
        self.request = request
        self.sender = sender
        self.preparation: Preparation | None = None
        self.jobs: list[Job] = []
        self.results: list[EncoderResult | None] = []
        self.missing = 0
        self.queued_s = 0.0
        """When its texts entered the queue."""
        self.first_run: Execution | None = None
        self.ran_s = 0.0
        """When the last run of its texts ended, so far."""
        self.tokens = 0

    @property
    def has_started(self) -> bool:
        """Whether an instance has taken up any of the texts."""
        return self.preparation is not None and any(job.execution is not None for job in self.jobs)


class TextModel:
    """One loaded model with one task."""

    def __init__(
        self,
        config: ModelConfig,
        version: str,
        task: Task,
        encoder: EncoderQueue,
        clock: Clock = monotonic,
        *,
        statistics: ModelStatistics | None = None,
        light_bytes: int = LIGHT_BYTES,
        preparers: int = 1,
    ) -> None:
        """light_bytes: requests up to this size are prepared on the event loop. preparers: threads for heavier ones.

        statistics: where to count; default: the usual ones.
        """
        self.name = config.name
        self.version = version
        self.config = config
        self.statistics = statistics or ModelStatistics(config.name, version)
        self.labels: Mapping[str, Sequence[str]] = {}
        self.has_rows = True
        self._task = task
        self._encoder = encoder
        self._clock = clock
        self._check = RequestCheck(config)
        self._light_bytes = light_bytes
        tokenizers: Instances[InferRequest] = Instances(tuple(_Tokenizing(task) for _ in range(preparers)))
        self._tokenizer = open_batches(f"{config.name}-tokenizer", tokenizers, ONE_BY_ONE, clock=clock)
        self._flights: set[_Flight] = set()
        self.statistics.count_pending = lambda: sum(not flight.has_started for flight in self._flights)
        if encoder.learned is not None:
            self.statistics.batching = encoder.learned.facts
        encoder.join()

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        _accept_columns(request, self.config)
        self._check.rows(request)
        flight = _Flight(self, request, sender)
        sender.on_cancel = partial(self._withdraw, flight)
        if _text_bytes(request) <= self._light_bytes:
            self._queue(flight, _prepare(self._task, request))
        else:
            job = Job(request, 1, self._prepared)
            job.owner = flight
            flight.jobs = [job]
            self._tokenizer.submit(job)
            self._flights.add(flight)

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        await self._tokenizer.drain()
        while self._flights:  # each pass waits for the texts now known; answers may not be out yet
            await self._encoder.scheduler.quiet()

    def close(self) -> None:
        """See `ServedModel.close`."""
        self._tokenizer.close()
        self._encoder.leave()

    def count_run(self, run: Execution, texts: int) -> None:
        """Count a run of the encoder that had `texts` of this model's in it."""
        if run.output_ready_s:  # else it failed as a whole
            self.statistics.record_run(texts, *run.stages)

    def _prepared(self, job: Job, result: Preparation | NaiadError, is_final: bool) -> None:
        """Take up what the tokenizer's thread made of a large request."""
        assert is_final, "tokenised once"
        flight: _Flight = job.owner
        if flight.sender.is_over:
            return
        if isinstance(result, NaiadError):
            self._answer(flight, result)
            return
        try:
            self._queue(flight, result)
        except NaiadError as error:
            self._answer(flight, error)

    def _queue(self, flight: _Flight, preparation: Preparation) -> None:
        """Queue every text of a request. Raises Overloaded when they do not all fit."""
        flight.preparation = preparation
        flight.queued_s = self._clock()
        items = preparation.items
        flight.results = [None] * len(items)
        flight.missing = len(items)
        flight.jobs = []
        for index, item in enumerate(items):
            job = Job(item, item.tokens, self._ran)
            job.owner = (flight, index)
            flight.jobs.append(job)
            flight.tokens += job.size
        self._flights.add(flight)
        scheduler, request = self._encoder.scheduler, flight.request
        try:
            if len(items) == 1:
                scheduler.submit(flight.jobs[0], request.priority, request.timeout_us)
            else:
                scheduler.submit_all(flight.jobs, request.priority, request.timeout_us)
        except NaiadError:
            self._flights.discard(flight)
            raise
        if not items:
            self._complete(flight)

    def _ran(self, job: Job, result: EncoderResult | NaiadError, is_final: bool) -> None:
        assert is_final, "encoders give one result for each item"
        flight: _Flight
        flight, index = job.owner
        if flight.sender.is_over:
            return
        execution = job.execution
        if execution is not None:
            flight.first_run = flight.first_run or execution
            flight.ran_s = max(flight.ran_s, execution.output_ready_s)
        if isinstance(result, NaiadError):
            self._answer(flight, result)
            self._withdraw(flight)
            return
        flight.results[index] = result
        flight.missing -= 1
        if not flight.missing:
            self._complete(flight)

    def _complete(self, flight: _Flight) -> None:
        """Decode and answer."""
        request, preparation = flight.request, flight.preparation
        assert preparation is not None
        try:
            response = self._task.finish(request, preparation, cast("list[EncoderResult]", flight.results))
        except NaiadError as error:
            self._answer(flight, error)
            return
        except BaseException:  # noqa: BLE001 — the others of the batch are answered, too
            self._answer(flight, _task_failed(self.name))
            return
        response.tokens = flight.tokens
        self._answer(flight, response)

    def _answer(self, flight: _Flight, answer: Answer) -> None:
        """Answer, and count it."""
        self._flights.discard(flight)
        sender, run, now = flight.sender, flight.first_run, self._clock()
        if flight.request.trace is not None:
            _mark(flight.request.trace, flight, now)
        started_s = run.started_s if run is not None else flight.queued_s
        sender.queue_s = started_s - flight.queued_s
        sender.rows = max(1, len(flight.jobs))
        if sender.send(answer) and isinstance(answer, InferResponse):
            ran_s = flight.ran_s or started_s
            arrived_s = flight.request.arrived_s
            self.statistics.record_compute(1, flight.queued_s - arrived_s, ran_s - started_s, now - ran_s)

    def _withdraw(self, flight: _Flight) -> None:
        """Take what still waits out of the queues; what already runs is ignored when it comes back."""
        self._flights.discard(flight)
        for job in flight.jobs:
            if not self._encoder.scheduler.cancel(job):
                self._tokenizer.cancel(job)


def _mark(trace: Trace, flight: _Flight, now: float) -> None:
    """Note the moments of a request that was several jobs, decoded together: from the first run to now."""
    runs = [job.execution for job in flight.jobs if job.execution is not None]
    if not runs:
        trace.mark_run(flight.queued_s, 0.0, 0.0, 0.0, 0.0)
        return
    first = min(runs, key=lambda run: run.started_s)
    last_s = max(run.output_ready_s for run in runs)
    trace.mark_run(flight.queued_s, first.started_s, first.input_ready_s, last_s, now if last_s else 0.0)


class _Tokenizing:
    """The task's first half as an instance, so that large requests are tokenised in a thread of their own."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def execute(self, batch: Batch[InferRequest]) -> list[Any]:
        """One Preparation or error per request."""
        results: list[Any] = []
        for request in batch.items:
            try:
                results.append(_prepare(self._task, request))
            except NaiadError as error:
                results.append(error)
        return results

    def close(self) -> None:
        """Nothing to release."""


def _prepare(task: Task, request: InferRequest) -> Preparation:
    """The task's first half. Raises NaiadError, whatever the task or a library below it raises."""
    try:
        return task.prepare(request)
    except NaiadError:
        raise
    except BaseException as error:  # panics of a tokenizer's Rust are no Exception
        raise _task_failed(request.model_name) from error


def _task_failed(model: str) -> Failed:
    """Note a mistake of ours, or of a library, inside an `except`; gives what the client is told."""
    _log.exception("task of model '%s' failed", model)
    return Failed("internal error")


def _accept_columns(request: InferRequest, config: ModelConfig) -> None:
    """Take a column (n, 1) for a row (n,): clients of servers whose models all have a batch dimension send columns."""
    for spec in config.inputs:
        tensor = request.inputs.get(spec.name)
        if tensor is not None and spec.dims == (-1,) and tensor.data.ndim == 2 and tensor.data.shape[1] == 1:
            tensor.data = tensor.data.reshape(-1)


def _text_bytes(request: InferRequest) -> int:
    """Size of the request's inputs; strings by their bytes, numbers by theirs."""
    total = 0
    for tensor in request.inputs.values():
        data = tensor.data
        total += sum(map(len, data.reshape(-1).tolist())) if data.dtype == object else data.nbytes
    return total
