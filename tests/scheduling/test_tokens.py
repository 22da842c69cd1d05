"""Length-aware batching: budgets, fairness, waste."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.tokens import TokenRule, decide_packed, decide_padded


@dataclass
class Item:
    size: int
    queued_s: float = 0.0
    shape_key: Hashable = None


def packed(sizes: list[int], idle: int = 1, rule: TokenRule | None = None) -> list[int]:
    decision = decide_packed(Situation([Item(size) for size in sizes], 0.0, idle), rule or TokenRule(max_tokens=128))
    assert isinstance(decision, Run)
    return list(decision.picks)


def padded(sizes: list[int], rule: TokenRule) -> list[int]:
    decision = decide_padded(Situation([Item(size) for size in sizes], 0.0), rule)
    assert isinstance(decision, Run)
    return list(decision.picks)


def test_packs_up_to_the_budget() -> None:
    assert packed([60, 60, 60]) == [0, 1]


def test_a_later_one_that_fits_fills_the_gap() -> None:
    assert packed([100, 60, 20]) == [0, 2]


def test_a_sequence_longer_than_the_budget_runs_alone() -> None:
    assert packed([400, 10]) == [0]


def test_idle_instances_share_what_waits() -> None:
    assert packed([20, 20, 20, 20], idle=2) == [0, 1]


def test_a_lone_sequence_runs_whatever_is_idle() -> None:
    assert packed([20], idle=2) == [0]


def test_padded_takes_neighbours_in_length() -> None:
    rule = TokenRule(max_tokens=100, max_waste=0.15)
    assert padded([20, 90, 21, 5, 19, 20], rule) == [0, 2, 4, 5]


def test_padded_never_wastes_more_than_the_cap() -> None:
    assert padded([10, 30], TokenRule(max_tokens=1000, max_waste=0.15)) == [0]


def test_waits_for_company_only_when_told_to_and_only_until_the_delay_is_over() -> None:
    rule = TokenRule(max_tokens=128, max_delay_s=0.5)
    alone, full = [Item(20, queued_s=10.0)], [Item(100, queued_s=10.0), Item(100, queued_s=10.0)]
    for decide in (decide_packed, decide_padded):
        assert decide(Situation(alone, 10.1), TokenRule()) == Run([0])
        assert decide(Situation(alone, 10.1), rule) == WaitUntil(10.5)
        assert decide(Situation(alone, 10.5), rule) == Run([0])
        assert decide(Situation(full, 10.1), rule) == Run([0])


@given(st.lists(st.integers(1, 512), min_size=1, max_size=100), st.integers(1, 4))
def test_the_oldest_always_runs_and_budgets_hold(sizes: list[int], idle: int) -> None:
    picks = packed(sizes, idle)
    assert picks[0] == 0
    assert picks == sorted(set(picks))
    assert sum(sizes[pick] for pick in picks) <= max(128, sizes[0])
    rule = TokenRule(max_tokens=512, max_waste=0.15)
    picks = padded(sizes, rule)
    longest = max(sizes[pick] for pick in picks)
    assert 0 in picks
    assert len(picks) == 1 or longest * len(picks) <= 512
    assert sum(sizes[pick] for pick in picks) >= 0.85 * longest * len(picks) - 1e-9
