"""What the rule chooses from made-up times, as tables."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import ALONE, MACHINES, PACKS, SHARED, SWEET, Machine

from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.learned.curve import Curve, Times
from naiad.scheduling.learned.rule import LearnedRule, cheapest_pack, chosen_texts, decide_learned, decide_otherwise


@dataclass
class Item:
    size: int
    queued_s: float = 0.0
    shape_key: Hashable = None


def picks(sizes: list[int], rule: LearnedRule, idle: int = 1) -> list[int]:
    decision = decide_learned(Situation([Item(size) for size in sizes], 0.0, idle), rule)
    assert isinstance(decision, Run)
    return list(decision.picks)


@pytest.mark.parametrize(("machine", "expected"), [(PACKS, 3), (ALONE, 1), (SWEET, 4), (SHARED, 10)], ids=str)
def test_many_waiting_texts_run_in_packs_of_least_time_per_token(machine: Machine, expected: int) -> None:
    assert picks([32] * 64, machine.rule()) == list(range(expected))


def test_alone_where_alone_is_best_however_many_wait_or_are_idle() -> None:
    for idle in (1, 2):
        assert picks([30, 20, 40], ALONE.rule(), idle) == [0]


def test_no_more_than_the_limit() -> None:
    assert picks([32] * 64, SHARED.rule(limit=96)) == [0, 1, 2]


def test_a_text_above_the_limit_runs_alone_and_the_next_fills_the_gap() -> None:
    assert picks([600, 10], PACKS.rule()) == [0]
    assert picks([60, 60, 30], SHARED.rule(limit=96)) == [0, 2]


@pytest.mark.parametrize(
    ("machine", "sizes", "expected"),
    [
        (PACKS, [30, 30], [0]),  # 8.4 ms in one pack, 4.2 side by side
        (PACKS, [30, 30, 30, 30], [0, 1]),
        (SHARED, [30, 30], [0, 1]),  # side by side 8.5 ms for each, one pack 8.2 while the other instance rests
    ],
    ids=str,
)
def test_idle_instances_share_a_short_queue_where_that_ends_sooner(
    machine: Machine, sizes: list[int], expected: list[int]
) -> None:
    assert picks(sizes, machine.rule(), idle=2) == expected


def test_padded_texts_join_their_like() -> None:
    rule = replace(PACKS.rule(), pads=True)
    assert picks([20, 90, 21, 5, 19, 20], rule) == [0, 2, 5]  # the 19 would save less than it is worth


def test_waits_for_company_only_when_told_to_and_only_until_the_delay_is_over() -> None:
    waiting, rule = [Item(20, queued_s=10.0)], replace(PACKS.rule(), max_delay_s=0.5)
    assert decide_learned(Situation(waiting, 10.1), PACKS.rule()) == Run([0])
    assert decide_learned(Situation(waiting, 10.1), rule) == WaitUntil(10.5)
    assert decide_learned(Situation(waiting, 10.5), rule) == Run([0])
    assert decide_learned(Situation(waiting * 64, 10.1), rule) == Run([0, 1, 2, 3])


def test_a_lone_text_gets_all_cores_only_where_they_answer_sooner() -> None:
    assert PACKS.rule().prefers_wide(30)
    assert not replace(PACKS, wide=1.1).rule().prefers_wide(30)
    assert not LearnedRule(replace(PACKS.curve, wide=Times()), instances=1, limit=512).prefers_wide(30)


def test_one_instance_needs_no_busy_times() -> None:
    times = Times(((32, 0.003), (128, 0.010)))
    rule = LearnedRule(Curve(times, times, times, times), instances=1, limit=128)
    assert chosen_texts(rule, 32) == 4
    assert picks([32] * 8, rule, idle=1) == [0, 1, 2, 3]


def test_otherwise_is_alone_instead_of_a_pack_and_the_best_pack_instead_of_alone() -> None:
    waiting = [Item(32)] * 64
    assert decide_otherwise(Situation(waiting, 0.0), SWEET.rule()) == Run((0,))
    assert decide_otherwise(Situation(waiting, 0.0), ALONE.rule()) == Run([*range(16)])
    assert decide_otherwise(Situation(waiting, 0.0), ALONE.rule(limit=1)) == Run((0,))
    assert decide_otherwise(Situation(waiting, 0.0), replace(ALONE.rule(96), pads=True)) == Run([0, 1, 2])


@given(
    st.sampled_from(MACHINES),
    st.lists(st.integers(1, 600), min_size=1, max_size=80),
    st.integers(1, 2),
    st.booleans(),
)
def test_never_dearer_than_one_by_one_and_the_oldest_always_runs(
    machine: Machine, sizes: list[int], idle: int, pads: bool
) -> None:
    rule = replace(machine.rule(limit=512), pads=pads)
    chosen = picks(sizes, rule, idle)
    assert chosen[0] == 0
    assert chosen == sorted(set(chosen))
    pack = cheapest_pack(sizes[:64], rule.limit, rule)
    assert pack.ratio <= 1.0
    assert pack.tokens <= max(rule.limit, sizes[0])
