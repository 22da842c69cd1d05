"""The line: who is next, as a table; and what joins, leaves and comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.core.model.config import RateLimit, RateResource
from naiad.scheduling.rate_limiter.limiter import AT_LOAD, Entry, Member, RateLimiter, Usage, choose_next
from naiad.scheduling.rate_limiter.resources import CPU
from naiad.testing import ManualClock

R = (CPU, "R")


def limit(count: int = 1, priority: int = 0) -> RateLimit:
    return RateLimit((RateResource("R", count),), priority)


def entry(count: int, share: int) -> Entry:
    member = Member(limit(count))
    member.share = share
    return Entry(member, lambda _: None)


@pytest.mark.parametrize(
    ("line", "taken", "expected"),
    [
        pytest.param([], 0, None, id="nobody"),
        pytest.param([(1, 0)], 0, 0, id="the only one"),
        pytest.param([(1, 5), (1, 3), (1, 4)], 0, 1, id="who has run least"),
        pytest.param([(1, 3), (1, 3)], 0, 0, id="of two alike the first"),
        pytest.param([(4, 3)], 0, 0, id="all there is"),
        pytest.param([(1, 3)], 4, None, id="nothing is free"),
        pytest.param([(1, 5), (3, 3)], 2, None, id="nobody overtakes the head"),
        pytest.param([(1, 3), (3, 3)], 2, 0, id="which is the first of two alike"),
        pytest.param([(0, 7)], 4, 0, id="who needs nothing"),
    ],
)
def test_who_is_next(line: list[tuple[int, int]], taken: int, expected: int | None) -> None:
    assert choose_next([entry(*one) for one in line], {R: taken}, {R: 4}) == expected


class Line:
    """A limiter, and who was granted what."""

    def __init__(self, given: int = 1) -> None:
        self.clock = ManualClock()
        self.limiter = RateLimiter({("every", "R"): given}, self.clock)
        self.granted: list[tuple[str, float]] = []

    def join(self, name: str, member: Member) -> Entry:
        entry = Entry(member, lambda waited_s: self.granted.append((name, waited_s)))
        self.limiter.join(entry)
        return entry

    @property
    def names(self) -> str:
        return "".join(name for name, _ in self.granted)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_resources_go_round() -> None:
    line = Line()
    a, b = line.limiter.register([limit(), limit()])
    line.join("a", a)
    line.join("b", b)
    assert line.granted == [("a", 0.0)]
    line.clock.advance(2.5)
    line.limiter.release(a, has_run=True)
    line.join("A", a)
    assert line.names == "a", "nobody gets in before the next look"
    await turn()
    assert line.granted == [("a", 0.0), ("b", 2.5)]
    line.limiter.release(b, has_run=True)
    await turn()
    assert line.names == "abA"
    assert list(line.limiter.usage()) == [Usage(CPU, "R", 1, 1)]


@pytest.mark.parametrize(("priorities", "counts"), [((1, 2), (20, 10)), ((0, 1), (15, 15)), ((5, 1), (4, 26))])
async def test_priority_n_has_one_execution_for_n_others(priorities: tuple[int, int], counts: tuple[int, int]) -> None:
    line = Line()
    members = dict(zip("ab", line.limiter.register([limit(1, one) for one in priorities]), strict=True))
    for name, member in members.items():
        line.join(name, member)
    for _ in range(29):
        name = line.names[-1]
        line.limiter.release(members[name], has_run=True)
        line.join(name, members[name])
        await turn()
    assert (line.names.count("a"), line.names.count("b")) == counts


async def test_several_are_granted_at_once_while_there_is_enough() -> None:
    line = Line(4)
    large, small, other = line.limiter.register([limit(3), limit(1), limit(2)])
    for name, member in (("l", large), ("s", small), ("o", other)):
        line.join(name, member)
    assert line.names == "ls"
    line.limiter.release(small, has_run=True)
    await turn()
    assert line.names == "ls", "one is free, two are needed"
    line.limiter.release(large, has_run=False)
    await turn()
    assert (line.names, small.share, large.share) == ("lso", AT_LOAD + 1, AT_LOAD)


async def test_who_leaves_makes_room_for_the_next() -> None:
    line = Line(2)
    first, second, third = line.limiter.register([limit(1), limit(2), limit(1)])
    line.join("1", first)
    waits = line.join("2", second)
    line.join("3", third)
    assert line.names == "1"
    assert line.limiter.leave(waits)
    assert not line.limiter.leave(waits)
    await turn()
    assert line.names == "13"


def test_a_model_is_taken_in_as_a_whole_or_not_at_all() -> None:
    limiter = RateLimiter({})
    (old,) = limiter.register([limit(2)])
    with pytest.raises(LoadFailed, match="both global and device-specific"):
        limiter.register([RateLimit(), RateLimit((RateResource("R", 1, is_global=True),))])
    assert [row.total for row in limiter.usage()] == [2]
    (new,) = limiter.register([limit(5)])
    assert [row.total for row in limiter.usage()] == [5]
    limiter.unregister(new)
    assert [row.total for row in limiter.usage()] == [2]
    limiter.unregister(old)
    assert list(limiter.usage()) == []


def test_who_comes_late_need_not_catch_up() -> None:
    limiter = RateLimiter({})
    members: list[Any] = limiter.register([limit(), limit()])
    for member, share in zip(members, (7, 9), strict=True):
        member.share = share
    late, seldom = limiter.register([limit(), limit(1, 4)])
    assert (late.share, seldom.share) == (7, 7 - AT_LOAD + 4 * AT_LOAD)
