"""Any schedule of jobs, cancellations, time and instances: the dynamic batcher does what the plain one would.

No job is lost or told twice, none runs after its time, no batch exceeds a limit or leaves out whose turn it was, queues
take exactly as many as they may, answers keep the order that was promised, and no instance is idle beside what it may
run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from house import House, Setting
from hypothesis import given, settings
from hypothesis import strategies as st
from manual_loop import run

from naiad.core.errors import NotReady
from naiad.core.model.config import DynamicBatching, QueuePolicy
from naiad.testing import ManualClock

# Times are sums of powers of two, so that no comparison depends on rounding.
TICK_S = 1 / 64
SHORT_US = 62_500
"""Four ticks."""

policies = st.builds(
    QueuePolicy,
    delays_on_timeout=st.booleans(),
    default_timeout_s=st.sampled_from([0.0, 0.0, 4 * TICK_S, 16 * TICK_S]),
    allows_timeout_override=st.booleans(),
    max_queue_size=st.sampled_from([0, 0, 1, 3]),
)
plain_policies = st.just(QueuePolicy())


@st.composite
def batchings(draw: Callable[[Any], Any], most: int) -> DynamicBatching:
    """Configurations that the validation lets pass: an order cannot be kept among levels, or with DELAY."""
    preserves = draw(st.booleans())
    levels = 0 if preserves else draw(st.sampled_from([0, 0, 2, 3]))
    policy = draw(st.one_of(plain_policies, policies))
    if preserves:
        policy = QueuePolicy(False, policy.default_timeout_s, policy.allows_timeout_override, policy.max_queue_size)
    return DynamicBatching(
        preferred_batch_sizes=tuple(draw(st.sets(st.integers(1, most), max_size=2))),
        max_queue_delay_s=draw(st.sampled_from([0.0, 0.0, 2 * TICK_S, 8 * TICK_S])),
        preserves_ordering=preserves,
        priority_levels=levels,
        default_priority_level=draw(st.integers(1, levels)) if levels else 0,
        default_queue_policy=policy,
        priority_queue_policies=draw(st.dictionaries(st.integers(1, levels), policies, max_size=2)) if levels else {},
    )


@st.composite
def all_settings(draw: Callable[[Any], Any]) -> Setting:
    most = draw(st.sampled_from([1, 2, 4, 6]))
    return Setting(
        most,
        draw(batchings(most)),
        most=draw(st.sampled_from([100, 100, 5])),
        runs_ahead=draw(st.booleans()),
        instances=draw(st.integers(1, 3)),
        is_stream=draw(st.booleans()),
    )


number = st.integers(0, 20)
steps = st.one_of(
    st.tuples(
        st.just("submit"), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.sampled_from("aaab"), number, number
    ),
    st.tuples(
        st.just("submit"), st.lists(st.integers(1, 3), min_size=1, max_size=1), st.just("a"), st.just(0), st.just(0)
    ),
    st.tuples(st.just("cancel"), number),
    st.tuples(st.just("wait"), st.integers(1, 8)),
    st.just(("begin",)),
    st.tuples(st.just("end"), number, st.sampled_from(["good", "good", "some", "all"]), number, st.booleans()),
    st.just(("settle",)),
)
ends = st.sampled_from(["drain", "close", "quiet"])


def act(house: House, step: tuple[Any, ...]) -> None:
    match step:
        case "submit", sizes, key, priority, timeout:
            house.submit(sizes, key, priority % 5, timeout % 3 * SHORT_US // 2)
        case "cancel", at:
            house.cancel(at)
        case "wait", ticks:
            house.clock.advance(ticks * TICK_S)
        case ("begin",) if not house.setting.is_stream:
            for runner in house.runners:
                runner.begin()
        case "end", at, outcome, item, flag if house.setting.is_stream:
            house.runners[at % len(house.runners)].send(at, item, outcome, is_final=flag)
        case "end", at, outcome, _, flag:
            house.runners[at % len(house.runners)].begin()
            house.runners[at % len(house.runners)].finish(outcome, will_run_inline=flag)


async def end_all(house: House, ending: str) -> None:
    if ending == "close":
        house.stop()
        waiting = house.plain.order(house.clock())
        house.scheduler.close()
        for one in waiting:
            house.told[one.number].may_be = (NotReady,)
        house.plain.remove([one.number for one in waiting])
        await house.settle()
        return
    if ending == "drain":
        house.stop()
    ended = asyncio.ensure_future(house.scheduler.drain() if ending == "drain" else house.scheduler.quiet())
    for _ in range(200):
        await house.settle()
        if ended.done():
            break
        house.finish_all()
        house.clock.advance(8 * TICK_S)
    assert ended.done()
    house.scheduler.close()


@settings(max_examples=200)
@given(all_settings(), st.lists(steps, min_size=8, max_size=40), ends)
def test_any_schedule_ends_as_the_plain_one_would(
    setting: Setting, schedule: list[tuple[Any, ...]], ending: str
) -> None:
    async def main(clock: ManualClock) -> None:
        house = House(setting, clock)
        for step in schedule:
            act(house, step)
            if step[0] in ("wait", "settle", "end"):
                await house.settle()
        await house.settle()
        await end_all(house, ending)
        house.check_end()

    run(main)
