"""What schedulers and runners hand each other, and what each of them promises.

The smallest implementations: `runners/thread.py` and `batching/scheduler.py`. Everything here belongs to the event
loop's thread; only what is inside a runner crosses into others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from naiad.core.contracts import Batch
from naiad.core.errors import NaiadError, NotReady

Done = Callable[["Job", Any, bool], None]


class Job:
    """One waiting item and who is to hear of it. Slots and no dataclass: one is made for every request."""

    __slots__ = (
        "cost",
        "deadline_s",
        "done",
        "execution",
        "is_delayed",
        "item",
        "level",
        "owner",
        "queued_s",
        "sequence",
        "shape_key",
        "size",
        "turns",
    )

    def __init__(self, item: Any, size: int, done: Done, shape_key: Hashable = None) -> None:
        self.item = item
        """What the instance takes."""
        self.size = size
        """Rows or tokens."""
        self.done = done
        """Called on the loop's thread with this job, a result or NaiadError, and whether it is the last.

        Once, with True, by plain instances; nothing comes after the last."""
        self.shape_key = shape_key
        """Jobs with different keys never share a batch."""
        self.cost = 0
        """By whoever makes it, for models with a bound on what a batch costs."""
        self.owner: Any = None
        """For the caller's own use."""
        self.queued_s = 0.0
        """By the queue."""
        self.deadline_s: float | None = None
        """By the queue, from its policy and the wish passed to `add`."""
        self.turns: Any = None
        """The `Turns` that it shares with the other jobs of its request; None: it is all there is of the request."""
        self.level = 0
        """By the queue: its priority level, or its round."""
        self.is_delayed = False
        """By the queue: its time was over and the policy says to run it after the others of its level."""
        self.sequence: Any = None
        """By the scheduler of sequences: the one that it is a step of."""
        self.execution: Execution | None = None
        """Set when an instance took it up."""


class Execution(Batch[Any]):
    """A batch that an instance has taken up, with the jobs it was made from; what Triton's `execution_count` counts."""

    __slots__ = (
        "beside",
        "finished_s",
        "has_returned",
        "is_wide",
        "jobs",
        "size",
        "slot",
        "started_s",
        "successes",
        "withdrawn",
    )

    def __init__(self, jobs: Sequence[Job], slot: Any = None) -> None:
        items: list[Any] = []
        size = 0
        for job in jobs:
            job.execution = self
            items.append(job.item)
            size += job.size
        self.items = items
        self.input_ready_s = self.output_ready_s = 0.0
        self.jobs = jobs
        self.size = size
        """Rows or tokens of all items."""
        self.slot = slot
        """For the scheduler's own use: who runs it."""
        self.beside = 0.0
        """By the scheduler: how many others were under way, the mean of its start and its end."""
        self.is_wide = False
        """By the scheduler: it runs on all cores."""
        self.failure: NaiadError | None = None
        """By the runner: the instance failed as a whole, whatever was in the batch."""
        self.has_returned = False
        """By the scheduler: its instance may take another one, while answers of this still come."""
        self.started_s = 0.0
        """By the runner, when the instance gets it."""
        self.finished_s = 0.0
        """By the runner, when the results were there."""
        self.successes = 0
        """By the scheduler: how many items have ended with a result and no error."""
        self.withdrawn: frozenset[Job] = frozenset()
        """Jobs that were cancelled while they ran."""
        self.failure = self.on_withdraw = None

    def withdrawn_items(self) -> Sequence[int]:
        """See `Batch`."""
        return [index for index, job in enumerate(self.jobs) if job in self.withdrawn]

    def withdraw(self, job: Job) -> None:
        """Note that a job was cancelled while it runs, and tell the instance if it wants to know."""
        self.withdrawn |= {job}
        if self.on_withdraw is not None and job in self.jobs:
            self.on_withdraw(self.jobs.index(job))

    @property
    def stages(self) -> tuple[float, float, float]:
        """Seconds of gathering inputs, running the model, splitting outputs; once the model has run."""
        return (
            self.input_ready_s - self.started_s,
            self.output_ready_s - self.input_ready_s,
            self.finished_s - self.output_ready_s,
        )


class Queue(Protocol):
    """Jobs that wait, in the order in which they would run; each leaves exactly once."""

    length: int
    """Jobs that wait."""
    has_time_limits: bool
    """Whether any job may expire; else `expire` and `next_deadline_s` need not be asked."""
    may_run_ahead: bool
    """A batch may leave before an instance is free: until then no job expires, or is overtaken for its priority."""

    @property
    def next_deadline_s(self) -> float | None:
        """When `expire` should be called next; may be early, never late."""
        ...

    def add(self, job: Job, now: float, priority: int = 0, timeout_us: int = 0) -> None:
        """Take a job in. Raises Overloaded when there is no room."""
        ...

    def remove(self, job: Job) -> bool:
        """Take one job out, wherever it stands; False when it is not (any longer) here."""
        ...

    def take(self, jobs: Sequence[Job]) -> None:
        """Take out jobs that `front` has just shown, to run them; at least one, in that order."""
        ...

    def front(self, most: int) -> list[Job]:
        """The next jobs, in their order."""
        ...

    def by_level(self) -> Mapping[int, int]:
        """How many jobs wait in each level, or round, in which somebody does."""
        ...

    def expire(self, now: float) -> list[Job]:
        """Take out, and give, the jobs whose time is over."""
        ...


class Listener(Protocol):
    """Whoever starts executions; called on the loop's thread."""

    def sent(self, execution: Execution, index: int, result: Any, is_final: bool) -> None:
        """Take one result, or error, of the item at `index`; nothing follows an item's last one."""
        ...

    def returned(self, execution: Execution) -> None:
        """Hear, before `finished`, that the instance may take another one; only of those that end later than that."""
        ...

    def finished(self, execution: Execution, results: Sequence[Any]) -> None:
        """Hear once that it is over; results: one for each item, in order, or none where all have been sent."""
        ...


class Runner(Protocol):
    """One instance, and the way to it and back; used on the loop's thread."""

    capacity: int
    """Executions that may be under way at the same time; at least 1."""
    ahead: int
    """How many more it takes while it is busy, so that it can go on without waiting for the loop."""

    @property
    def runs_inline(self) -> bool:
        """The next execution runs on the event loop and is over when `start` returns."""
        ...

    def start(self, execution: Execution, listener: Listener) -> None:
        """Run a batch and tell the listener; never raises, whatever the instance does."""
        ...

    def recall(self, execution: Execution) -> bool:
        """Take back an execution that has not begun, of which the listener hears no more; False: it has."""
        ...

    def close(self) -> None:
        """Release the instance; blocks until it has no more to do."""
        ...


class Learner(Protocol):
    """Whoever learns from what a scheduler sees; called on the loop's thread."""

    def note(self, level: int, now: float) -> None:
        """Hear how many jobs wait or run, whenever some have come or some have been run."""
        ...

    def ran(self, execution: Execution) -> None:
        """Hear of an execution that has just ended, before its jobs do."""
        ...


class LimitedRunner(Runner, Protocol):
    """A runner that asks elsewhere before each execution; see `rate_limiter/runner.py`."""

    @property
    def share(self) -> int:
        """Of several instances, the one with the lowest should run next."""
        ...

    def claim(self, wake: Callable[[], None]) -> bool:
        """Ask for leave to start one execution; False: not yet, and `wake` is called when there is."""
        ...

    def waive(self) -> None:
        """Give up a claim, and leave that is not used."""
        ...


class Scheduler(Protocol):
    """Takes the jobs of one model version and has them run; answers each of them, whatever happens."""

    @property
    def pending(self) -> int:
        """Jobs that wait for an instance."""
        ...

    @property
    def in_hand(self) -> int:
        """Jobs that instances have been given and have not answered."""
        ...

    def submit(self, job: Job, priority: int = 0, timeout_us: int = 0) -> None:
        """Queue a job; `job.done` is called later. Raises Overloaded, or NotReady while stopping."""
        ...

    def submit_all(self, jobs: Sequence[Job], priority: int = 0, timeout_us: int = 0) -> None:
        """Queue jobs that belong together, so that they can share a batch; all of them or, raising, none."""
        ...

    def cancel(self, job: Job) -> bool:
        """Take a job that has not begun out and answer it with Cancelled; False when it runs already or is done.

        What runs goes on to its end; only a streaming instance learns of it, and may end it early.
        """
        ...

    async def drain(self) -> None:
        """Take no more jobs; return when nothing waits and nothing runs."""
        ...

    async def quiet(self) -> None:
        """Return when nothing waits and nothing runs."""
        ...

    def limit(self, wraps: Sequence[Callable[[Runner], LimitedRunner]]) -> None:
        """Put a limit before each narrow instance, and do without the wide one; before the first job."""
        ...

    def close(self) -> None:
        """Answer what still waits with NotReady and release the instances; blocks until running batches are done."""
        ...


@runtime_checkable
class CountsSequences(Protocol):
    """What a scheduler may be besides: one that keeps requests together that belong together."""

    def count_sequences(self) -> tuple[int, int]:
        """Return how many sequences an instance has, and how many wait until one has room for them."""
        ...


OnRun = Callable[[Execution], None]
"""Told of every execution after it has run; before its jobs are, unless they were told one by one."""


def stopping() -> NotReady:
    """Make the error for jobs that come after `drain`, in Triton's words."""
    return NotReady("Server is stopping, scheduler for model has stopped accepting new inference requests")
