"""One sequence under way, and the lane it is in: an instance with places for so many of them."""

from __future__ import annotations

import heapq
import math
from collections import deque

from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Job, Runner
from naiad.scheduling.sequences.room import Room


class LiveSequence:
    """Steps that belong together, in their order; what is known of them between the first and the last."""

    __slots__ = (
        "deadline_s",
        "due_s",
        "id",
        "id_control",
        "is_ended",
        "lane",
        "place",
        "rooms",
        "running",
        "states",
        "used_s",
        "waiting",
    )

    def __init__(self, id: int | str) -> None:  # noqa: A002 — what the protocol calls it
        self.id = id
        self.waiting: deque[Job] = deque()
        self.running: Job | None = None
        self.is_ended = False
        """What waits is all that comes, unless a new beginning does."""
        self.lane: Lane | None = None
        """None: it waits in the backlog until a place is free."""
        self.place = -1
        """In its lane, from 0: for direct batching its row of the batch."""
        self.used_s = 0.0
        """When its last step came, or was answered."""
        self.deadline_s = math.inf
        """In the backlog: when the first of its steps runs out of time."""
        self.due_s = math.inf
        """When it is looked at next."""
        self.id_control: Tensor | None = None
        """The control that holds its id, for models that want one; by the first step that runs."""
        self.states: dict[str, Tensor] = {}
        """Implicit states by the name of their input, as its next step is given them."""
        self.rooms: dict[str, Room] = {}
        """The memory of those that stay in one place."""

    @property
    def is_busy(self) -> bool:
        """Whether any step waits or runs."""
        return bool(self.waiting) or self.running is not None


class Lane:
    """One instance and its places for sequences."""

    __slots__ = ("_freed", "_fresh", "_most", "capacity", "in_hand", "ready", "runner", "sequences")

    def __init__(self, runner: Runner, places: int, capacity: int = 1) -> None:
        """capacity: executions that may be under way at the same time."""
        self.runner = runner
        self.capacity = capacity
        self.sequences: dict[int, LiveSequence] = {}
        """By place."""
        self.ready: dict[LiveSequence, None] = {}
        """Those whose next step could run now, in the order in which they became so."""
        self.in_hand = 0
        """Executions that its instance has."""
        self._most = places
        self._fresh = 0
        """The lowest place that nobody has had yet: a configuration may allow any number, which cost nothing."""
        self._freed: list[int] = []

    @property
    def free_place(self) -> int | None:
        """The lowest place that is free, if there is one."""
        if self._freed:
            return self._freed[0]
        return self._fresh if self._fresh < self._most else None

    def put(self, sequence: LiveSequence) -> None:
        """Give a sequence the lowest free place."""
        if self._freed:
            place = heapq.heappop(self._freed)
        else:
            place = self._fresh
            self._fresh += 1
        sequence.lane, sequence.place = self, place
        self.sequences[place] = sequence
        if sequence.waiting:
            self.ready[sequence] = None

    def remove(self, sequence: LiveSequence) -> None:
        """Take a sequence out; its place is free."""
        del self.sequences[sequence.place]
        heapq.heappush(self._freed, sequence.place)
        self.ready.pop(sequence, None)
        sequence.lane = None
