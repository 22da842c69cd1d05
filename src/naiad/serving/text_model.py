"""A model that takes texts or images: a task turns each request into what an encoder runs, and decodes what comes back.

Texts, not requests, are what waits and what is batched: they are joined by length across requests, and one large
request is spread over many batches. Requests take turns, in being prepared as in being run, so that a large one does
not hold up the others. The raw-tensor view of a model is another TextModel over the same EncoderQueue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instances, Preparation, Task
from naiad.core.encoding.encoder import EncoderItem, EncoderResult
from naiad.core.errors import NaiadError
from naiad.core.machine.turnstile import Turnstile
from naiad.core.message import Answer, InferRequest, InferResponse, add_stages
from naiad.core.model.config import ModelConfig
from naiad.core.trace import Trace
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.batching.tally import tally_of
from naiad.scheduling.contract import Execution, Job, Scheduler
from naiad.scheduling.kinds import ONE_BY_ONE, open_batches
from naiad.scheduling.turns import Turns
from naiad.serving.encoder_queue import EncoderQueue
from naiad.serving.preparing import (
    IN_TURN,
    LIGHT_BYTES,
    Preparing,
    accept_columns,
    is_light,
    prepare,
    task_failed,
)
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck

VIEW_SUFFIX = ".tensors"
"""What the name of a model's raw-tensor view ends in."""

RANKING_SUFFIX = ".ranking"
"""What the name of a late-interaction model ends in where it ranks."""

SLICE = 1024
"""Texts that are queued, or withdrawn, in one turn of the event loop, which takes some 2 ms."""


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
        "turns",
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
        self.turns: Turns | None = None
        """Of a request of several texts."""

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
        """light_bytes: up to this size, requests are prepared on the event loop. preparers: heavier ones at a time.

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
        turnstile = Turnstile(preparers)
        tokenizers = tuple(Preparing(task, turnstile) for _ in range(max(preparers, IN_TURN)))
        self._tokenizer = open_batches(
            f"{config.name}-tokenizer", Instances(tokenizers), ONE_BY_ONE, runs_ahead=False, clock=clock
        )
        self._flights: set[_Flight] = set()
        self.statistics.count_pending = lambda: sum(not flight.has_started for flight in self._flights)
        self.statistics.count_running = lambda: sum(flight.has_started for flight in self._flights)
        self.statistics.tally = tally_of(encoder.scheduler)
        if encoder.learned is not None:
            self.statistics.batching = encoder.learned.facts
        encoder.join()

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        accept_columns(request, self.config)
        self._check.rows(request)
        flight = _Flight(self, request, sender)
        sender.on_cancel = partial(self._withdraw, flight)
        if is_light(request, self._light_bytes):
            self._queue(flight, prepare(self._task, request))
        else:
            job = Job(flight, 1, self._prepared)
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
        flight: _Flight = job.item
        flight.jobs = []  # or flight and job would keep each other until garbage is collected
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
        """Queue the texts of a request. Raises Overloaded when they do not fit."""
        flight.preparation = preparation
        flight.queued_s = self._clock()
        items = preparation.items
        flight.results = [None] * len(items)
        flight.missing = len(items)
        self._flights.add(flight)
        try:
            if len(items) == 1:
                job = Job(items[0], items[0].tokens, self._ran)
                job.owner = (flight, 0)
                flight.jobs.append(job)
                flight.tokens = job.size
                self._encoder.scheduler.submit(job, flight.request.priority, flight.request.timeout_us)
            else:
                flight.turns = Turns()
                self._queue_slice(flight, items)
        except NaiadError:
            self._flights.discard(flight)
            raise
        if not items:
            self._complete(flight)

    def _queue_slice(self, flight: _Flight, items: Sequence[EncoderItem]) -> None:
        """Queue the next texts of a request, and the rest in later turns of the loop. Raises Overloaded."""
        begin = len(flight.jobs)
        jobs = []
        for index, item in enumerate(items[begin : begin + SLICE], begin):
            job = Job(item, item.tokens, self._ran)
            job.owner, job.turns = (flight, index), flight.turns
            jobs.append(job)
            flight.tokens += job.size
        flight.jobs += jobs
        self._encoder.scheduler.submit_all(jobs, flight.request.priority, flight.request.timeout_us)
        if len(flight.jobs) < len(items):
            asyncio.get_running_loop().call_soon(self._queue_more, flight, items)

    def _queue_more(self, flight: _Flight, items: Sequence[EncoderItem]) -> None:
        if flight.sender.is_over:
            return
        try:
            self._queue_slice(flight, items)
        except NaiadError as error:
            self._answer(flight, error)
            self._withdraw(flight)

    def _ran(self, job: Job, result: EncoderResult | NaiadError, is_final: bool) -> None:
        assert is_final, "encoders give one result for each item"
        flight: _Flight
        flight, index = job.owner
        job.owner = None  # or flight and job would keep each other until garbage is collected
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
            self._answer(flight, task_failed(self.name))
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
        ran_s = flight.ran_s or started_s
        stages = (flight.queued_s - flight.request.arrived_s, ran_s - started_s, now - ran_s)
        if flight.request.stages_s is not None:
            add_stages(flight.request.stages_s, stages)
        if sender.send(answer) and isinstance(answer, InferResponse):
            self.statistics.record_compute(1, *stages)

    def _withdraw(self, flight: _Flight, begin: int = 0) -> None:
        """Take what still waits out of the queues; what already runs is ignored when it comes back."""
        self._flights.discard(flight)
        scheduler: Scheduler = self._tokenizer if flight.preparation is None else self._encoder.scheduler
        end = begin + SLICE
        for job in flight.jobs[begin:end]:
            scheduler.cancel(job)
        if end < len(flight.jobs):
            asyncio.get_running_loop().call_soon(self._withdraw, flight, end)


def _mark(trace: Trace, flight: _Flight, now: float) -> None:
    """Note the moments of a request that was several jobs, decoded together: from the first run to now."""
    runs = [job.execution for job in flight.jobs if job.execution is not None]
    if not runs:
        trace.mark_run(flight.queued_s, 0.0, 0.0, 0.0, 0.0)
        return
    first = min(runs, key=lambda run: run.started_s)
    last_s = max(run.output_ready_s for run in runs)
    trace.mark_run(flight.queued_s, first.started_s, first.input_ready_s, last_s, now if last_s else 0.0)
