"""The one line in which executions of all models wait for resources, and who is next.

The line is the event loop's; members come and go from any thread, when models are loaded and closed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from naiad.core.clock import Clock, monotonic
from naiad.core.model.config import RateLimit
from naiad.scheduling.rate_limiter.resources import Resources, are_free, limits_of, needed

AT_LOAD = 2
"""Executions that an instance has had when it is loaded: Triton counts its set-up and its warm-up."""


class Member:
    """One instance, as the line sees it."""

    __slots__ = ("need", "priority", "share")

    def __init__(self, rate_limit: RateLimit, gained: int = 0) -> None:
        """gained: what others have got since they were loaded."""
        self.need = needed(rate_limit)
        self.priority = max(rate_limit.priority, 1)
        """n: it runs once while an instance of priority 1 runs n times; 0 counts 1."""
        self.share = gained + AT_LOAD * self.priority
        """Its executions times its priority; whose is lowest runs next."""

    @property
    def gained(self) -> int:
        """Its share but for what it had when it was loaded."""
        return self.share - AT_LOAD * self.priority


class Entry:
    """One execution that waits, or an instance that waits for leave to begin one."""

    __slots__ = ("grant", "joined_s", "member")

    def __init__(self, member: Member, grant: Callable[[float], None]) -> None:
        self.member = member
        self.grant = grant
        """Called when it has the resources, with the seconds it waited."""
        self.joined_s = 0.0
        """By the line."""


class Usage(NamedTuple):
    """What there is of a resource, and what of it is taken."""

    device: str
    name: str
    total: int
    used: int


def choose_next(line: Sequence[Entry], taken: Resources, limits: Resources) -> int | None:
    """Say which entry gets its resources now: the head's, if there are enough. Nobody else overtakes the head.

    The head is who has the lowest share; of equal ones, who came first.
    """
    if not line:
        return None
    head = min(range(len(line)), key=lambda place: line[place].member.share)
    return head if are_free(line[head].member.need, taken, limits) else None


class RateLimiter:
    """The line of one server, for `--rate-limit=execution_count`."""

    def __init__(self, given: Resources, clock: Clock = monotonic) -> None:
        """given: resources of the operator's; where there are none, those that instances need."""
        self._given = given
        self._clock = clock
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._limits: Resources = {}
        self._taken: Counter[tuple[str, str]] = Counter()
        self._line: list[Entry] = []
        self._is_due = False
        """A look at the line is planned: nobody gets in before it."""

    def register(self, rate_limits: Sequence[RateLimit]) -> list[Member]:
        """Take in the instances of a model, all of them or, raising LoadFailed, none.

        They begin level with whoever has gained least: whoever comes late need not catch up.
        """
        with self._lock:
            gained = min((member.gained for member in self._members), default=0)
            members = [Member(rate_limit, gained) for rate_limit in rate_limits]
            self._limits = limits_of((member.need for member in (*self._members, *members)), self._given)
            self._members += members
        return members

    def unregister(self, member: Member) -> None:
        """Let an instance go that runs no more; nothing for one that has gone."""
        with self._lock:
            self._members = [one for one in self._members if one is not member]
            self._limits = limits_of((one.need for one in self._members), self._given)

    def join(self, entry: Entry) -> None:
        """Get in line; the entry's `grant` may be called before this returns."""
        entry.joined_s = self._clock()
        self._line.append(entry)
        if not self._is_due:
            self._serve()

    def leave(self, entry: Entry) -> bool:
        """Get out of the line; False when it is not (any longer) in it."""
        if entry not in self._line:
            return False
        self._line.remove(entry)
        self._plan()
        return True

    def release(self, member: Member, *, has_run: bool) -> None:
        """Give back what a granted entry took. The next look at the line comes when all turns that are due are over.

        So the instance that has just run can be in line again with what waits for it.
        """
        self._taken.subtract(member.need)
        if has_run:
            member.share += member.priority
        self._plan()

    def usage(self) -> Iterator[Usage]:
        """Give every resource, by device and name."""
        for (device, name), total in sorted(self._limits.items()):
            yield Usage(device, name, total, self._taken[device, name])

    def _plan(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._is_due = False
        while (place := choose_next(self._line, self._taken, self._limits)) is not None:
            entry = self._line.pop(place)
            self._taken.update(entry.member.need)
            entry.grant(self._clock() - entry.joined_s)
