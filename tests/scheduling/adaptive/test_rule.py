"""Whether to wait, as a table: ten milliseconds a run, requests that come a millisecond after an answer."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import pytest

from naiad.scheduling.adaptive.arrivals import Expected, Outlook
from naiad.scheduling.adaptive.rule import GRAIN_S, AdaptiveRule, decide_adaptive
from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.dynamic import DynamicRule

NOW = 100.0


@dataclass
class Item:
    size: int = 1
    queued_s: float = NOW
    shape_key: Hashable = None


def rule(run_ms: float = 10.0, row_ms: float = 0.0, most: int = 8, rows: float = 1.0) -> AdaptiveRule:
    seconds = [(run_ms + row_ms * size) / 1000 for size in range(most + 1)]
    return AdaptiveRule(DynamicRule(most), seconds, rows)


def coming(*gaps_ms: float, chance: float = 1.0, ends: bool = True) -> Outlook:
    """Requests that come so long after each other, nothing having happened since now."""
    return Outlook(NOW, [Expected(gap / 1000, gap * 1.5 / 1000, chance) for gap in gaps_ms], ends)


@pytest.mark.parametrize(
    ("count", "rule", "outlook", "waits"),
    [
        pytest.param(4, rule(), coming(1, 0.1, 0.1, 0.1), True, id="half of eight clients wait for the other half"),
        pytest.param(1, rule(), coming(1), True, id="one of two waits for the other"),
        pytest.param(1, rule(), coming(), False, id="who is alone waits for nobody"),
        pytest.param(1, rule(), coming(ends=False), False, id="nor who knows of nobody"),
        pytest.param(8, rule(), coming(1), False, id="a full batch waits for nobody"),
        pytest.param(1, rule(), coming(11), False, id="not for longer than a run takes"),
        pytest.param(7, rule(), coming(9.9), False, id="not where next to nothing would be gained"),
        pytest.param(4, rule(0.01, 2.5), coming(1, 0.1, 0.1, 0.1), False, id="not where runs cost by the row"),
        pytest.param(4, rule(5, 1), coming(1, 0.1, 0.1, 0.1), True, id="half by the row, half by the run"),
        pytest.param(4, rule(5, 1), coming(6, 0.1, 0.1, 0.1), False, id="but not for longer than the run's half"),
        pytest.param(1, rule(), coming(4, ends=False), True, id="one of many, if the next one comes soon"),
        pytest.param(1, rule(), coming(6, ends=False), False, id="if not, the next run will take it"),
        pytest.param(4, rule(), coming(1, chance=0.5), True, id="for what comes every other time, if soon"),
        pytest.param(4, rule(), coming(6, chance=0.5), False, id="but not if late"),
        pytest.param(1, rule(0.5), coming(0.1), False, id="runs below a millisecond are not worth a timer"),
        pytest.param(5, rule(rows=4.0), coming(1), False, id="not for one that is too large to join"),
        pytest.param(1, AdaptiveRule(DynamicRule(8)), coming(1), False, id="not before a run was timed"),
    ],
)  # fmt: skip
def test_who_waits(count: int, rule: AdaptiveRule, outlook: Outlook, waits: bool) -> None:
    decision = decide_adaptive(Situation([Item()] * count, NOW, free_s=NOW), rule, outlook)
    assert waits == isinstance(decision, WaitUntil)
    if not waits:
        assert decision == Run(range(count))


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        (Situation([Item()] * 4, NOW, idle=2), "another instance takes what comes"),
        (Situation([Item(), Item(), Item(shape_key="other")], NOW), "the next has another shape"),
        (Situation([Item(4), Item(4), Item(4)], NOW), "the next does not fit"),
        (Situation([Item(), Item(queued_s=NOW - 0.0099)], NOW), "one has waited for as long as a run takes"),
    ],
)  # fmt: skip
def test_nobody_waits_where(situation: Situation, why: str) -> None:
    assert isinstance(decide_adaptive(situation, rule(), coming(1, 1, 1)), Run), why


def test_the_wait_ends_when_the_next_should_have_come() -> None:
    waiting = [Item(queued_s=NOW - 5)]
    decision = decide_adaptive(Situation(waiting, NOW, free_s=NOW), rule(), coming(4))
    assert decision == WaitUntil(NOW + 0.006), "the limit of what is expected"
    decision = decide_adaptive(Situation(waiting, NOW, free_s=NOW), rule(), coming(0.1))
    assert decision == WaitUntil(NOW + 0.00125), "an eighth of a run at least: it may be a turn of the loop late"
    late = Situation(waiting, NOW + 0.006 - GRAIN_S / 2, free_s=NOW)
    assert isinstance(decide_adaptive(late, rule(), coming(4)), Run)


@pytest.mark.parametrize(("queued_s", "free_s"), [(NOW - 5, NOW - 0.008), (NOW - 0.008, NOW - 1)])
def test_nobody_waits_longer_than_answering_the_first_would_have_taken(queued_s: float, free_s: float) -> None:
    """Counted from when it could have run; waiting for a busy instance is no waiting for company."""
    decision = decide_adaptive(Situation([Item(queued_s=queued_s)], NOW, free_s=free_s), rule(), coming(1.9))
    assert isinstance(decision, WaitUntil)
    assert decision.time_s == pytest.approx(NOW + 0.002)
