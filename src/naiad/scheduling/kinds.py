"""Which kind of scheduler a model's configuration asks for; a new kind is a new row of `KINDS`.

What has no configuration of Triton's, as encoders, brings a policy of its own to `open_batches`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Instances
from naiad.core.model.config import DynamicBatching, ModelConfig
from naiad.core.model.sequences import OldestFirst
from naiad.core.tensor import Array
from naiad.scheduling.adaptive.batching import AdaptiveBatching
from naiad.scheduling.batching.scheduler import WINDOW, BatchScheduler
from naiad.scheduling.contract import Learner, OnRun, Queue, Runner, Scheduler
from naiad.scheduling.cost import CostLimit, decide_within
from naiad.scheduling.decision import Policy
from naiad.scheduling.dynamic import DynamicRule, decide_dynamic
from naiad.scheduling.held import BACKLOG_DELAY, DELAY, held
from naiad.scheduling.queue import JobQueue
from naiad.scheduling.runners.opening import open_runners
from naiad.scheduling.sequences.direct import DirectRule, decide_direct
from naiad.scheduling.sequences.forming import Forming
from naiad.scheduling.sequences.lane import Lane
from naiad.scheduling.sequences.live import LiveSequences
from naiad.scheduling.sequences.scheduler import SequenceScheduler
from naiad.scheduling.sequences.steps import Steps

MOST_WAITING_SEEN = 1024
"""The most requests of one batch, however large `max_batch_size` is: each question about a batch looks at them."""

ONE_BY_ONE: Policy = partial(decide_dynamic, rule=DynamicRule(max_batch_size=1))
"""Every job runs alone."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What a kind needs to open a scheduler."""

    config: ModelConfig
    instances: Instances[Any]
    on_run: OnRun | None
    max_waiting: int
    """Most jobs that may wait, whatever the model's own queue policies say; 0 = no bound."""
    runs_ahead: bool
    """See `BatchScheduler`."""
    clock: Clock
    initial_states: Mapping[str, Array] = field(default_factory=dict)
    """First values of implicit states, by input name, without the batch dimension; zeros where there is none."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table."""

    name: str
    suits: Callable[[ModelConfig], bool]
    open: Callable[[OpenRequest], Scheduler]


def takes_batches(config: ModelConfig) -> bool:
    """Whether requests may share a batch; `parameters { key: "batching" value { string_value: "off" } }` forbids it."""
    return config.max_batch_size > 0 and config.parameters.get("batching") != "off"


def open_dynamic(request: OpenRequest) -> Scheduler:
    """Join requests along the batch dimension; without a `dynamic_batching` block, never waiting for company."""
    batching = request.config.dynamic_batching or DynamicBatching()
    rule = DynamicRule(request.config.max_batch_size, batching.preferred_batch_sizes, batching.max_queue_delay_s)
    return _open(request, within_cost(request.config, partial(decide_dynamic, rule=rule)))


def within_cost(config: ModelConfig, policy: Policy) -> Policy:
    """Put the bound on what a batch costs in front of a policy, if the model has one."""
    if config.batch_cost is None:
        return policy
    return partial(decide_within, limit=CostLimit(config.batch_cost.most, config.batch_cost.pads), policy=policy)


def chooses_delay(config: ModelConfig) -> bool:
    """Whether the batcher chooses how long to wait: nothing else is said, and answers come once for each batch.

    `parameters { key: "batching" value { string_value: "immediate" } }` forbids it.
    """
    batching = config.dynamic_batching or DynamicBatching()
    return (
        config.max_batch_size > 1
        and takes_batches(config)
        and config.parameters.get("batching") != "immediate"
        and not config.is_decoupled
        and not batching.max_queue_delay_s
        and set(batching.preferred_batch_sizes) <= {config.max_batch_size}
    )


def open_adaptive(request: OpenRequest) -> Scheduler:
    """Join requests along the batch dimension, and wait for company where it is expected and worth it."""
    batching = AdaptiveBatching(request.config.max_batch_size)
    return _open(request, within_cost(request.config, batching), batching)


def open_direct(request: OpenRequest) -> Scheduler:
    """Run each request alone, in the order and within the bounds that a `dynamic_batching` block may still set."""
    return _open(request, ONE_BY_ONE)


def open_direct_sequences(request: OpenRequest) -> Scheduler:
    """Give each sequence a row of an instance's batch."""
    config, batching = request.config, request.config.sequence_batching
    assert batching is not None
    rows = max(1, config.max_batch_size)
    rule = DirectRule(rows, batching.max_queue_delay_s, batching.minimum_slot_utilization)
    lanes = [Lane(runner, rows) for runner in _runners_of_sequences(request)]
    return _open_sequences(request, lanes, partial(decide_direct, rule=rule), has_rows=True)


def open_oldest_sequences(request: OpenRequest) -> Scheduler:
    """Join steps of the sequences of an instance, those first that have waited longest."""
    config, batching = request.config, request.config.sequence_batching
    assert batching is not None
    oldest = batching.oldest or OldestFirst()
    rows = max(1, config.max_batch_size)
    places = oldest.max_candidates or rows
    rule = DynamicRule(rows, oldest.preferred_batch_sizes, oldest.max_queue_delay_s)
    runners = _runners_of_sequences(request)
    lanes = [Lane(runner, places, 1 if oldest.preserves_ordering else runner.capacity) for runner in runners]
    policy = within_cost(config, partial(decide_dynamic, rule=rule))
    return _open_sequences(request, lanes, policy, has_rows=False)


def is_direct(config: ModelConfig) -> bool:
    """Whether a model's sequences have rows of their own."""
    return config.sequence_batching is not None and config.sequence_batching.oldest is None


KINDS = [
    Kind("direct sequences", is_direct, open_direct_sequences),
    Kind("oldest sequences", lambda config: config.sequence_batching is not None, open_oldest_sequences),
    Kind("adaptive", chooses_delay, open_adaptive),
    Kind("dynamic", takes_batches, open_dynamic),
    Kind("direct", lambda _config: True, open_direct),
]
"""The first that suits is taken."""


def open_scheduler(
    config: ModelConfig,
    instances: Instances[Any],
    on_run: OnRun | None = None,
    *,
    max_waiting: int = 0,
    runs_ahead: bool = True,
    clock: Clock = monotonic,
    initial_states: Mapping[str, Array] | None = None,
) -> Scheduler:
    """Put the scheduler that a model asks for before its instances; closing it closes them.

    max_waiting: most jobs that may wait, whatever the model's own queue policies say; 0 = no bound. runs_ahead: see
    `BatchScheduler`. initial_states: see `OpenRequest`.
    """
    kind = next(kind for kind in KINDS if kind.suits(config))
    return kind.open(OpenRequest(config, instances, on_run, max_waiting, runs_ahead, clock, initial_states or {}))


def open_batches(
    name: str,
    instances: Instances[Any],
    policy: Policy,
    queue: Queue | None = None,
    *,
    window: int = WINDOW,
    runs_ahead: bool = True,
    preserves_ordering: bool = False,
    prefers_wide: Callable[[int], bool] | None = None,
    on_run: OnRun | None = None,
    learner: Learner | None = None,
    clock: Clock = monotonic,
) -> BatchScheduler:
    """Put a batching scheduler with this policy before instances. name: for their threads; others: see there."""
    runners, wide = open_runners(instances, name, clock)
    return BatchScheduler(
        runners,
        policy,
        queue,
        wide=wide,
        window=window,
        runs_ahead=runs_ahead,
        preserves_ordering=preserves_ordering,
        prefers_wide=prefers_wide,
        on_run=on_run,
        learner=learner,
        clock=clock,
    )


def _open(request: OpenRequest, policy: Policy, learner: Learner | None = None) -> Scheduler:
    config, batching = request.config, request.config.dynamic_batching or DynamicBatching()
    queue = JobQueue(
        batching.default_queue_policy,
        batching.priority_levels,
        batching.default_priority_level,
        batching.priority_queue_policies,
        most=request.max_waiting,
    )
    if config.dynamic_batching is not None:
        policy = held(policy, (DELAY, lambda: queue.length))
    return open_batches(
        config.name,
        request.instances,
        policy,
        queue,
        window=max(WINDOW, min(config.max_batch_size, MOST_WAITING_SEEN)),
        runs_ahead=request.runs_ahead,
        preserves_ordering=batching.preserves_ordering,
        on_run=request.on_run,
        learner=learner,
        clock=request.clock,
    )


def _runners_of_sequences(request: OpenRequest) -> list[Runner]:
    runners, wide = open_runners(request.instances, request.config.name, request.clock, tries_apart=False)
    if wide is not None:  # a sequence stays on the instance where it began
        wide.close()
    return runners


def _open_sequences(request: OpenRequest, lanes: Sequence[Lane], policy: Policy, *, has_rows: bool) -> Scheduler:
    config, batching = request.config, request.config.sequence_batching
    assert batching is not None
    live, steps = LiveSequences(config.name, lanes, batching.max_idle_s), Steps(config, request.initial_states)
    policy = held(policy, (DELAY, lambda: live.length - live.backlogged), (BACKLOG_DELAY, lambda: live.backlogged))
    window = min(max(1, config.max_batch_size), MOST_WAITING_SEEN)
    forming = Forming(live, policy, steps, has_rows=has_rows, window=window)
    return SequenceScheduler(
        lanes, live, forming, steps, most=request.max_waiting, on_run=request.on_run, clock=request.clock
    )
