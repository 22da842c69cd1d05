"""The policy in service: what it chooses, what it learns from and how often."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from machines import ALONE, PACKS, SWEET, Machine

from naiad.scheduling.decision import Run, Situation
from naiad.scheduling.learned.batching import LEAST_S, OTHERWISE_EVERY, SETTLE_S, LearnedBatching
from naiad.scheduling.learned.rule import LearnedRule
from naiad.scheduling.learned.watching import Ran
from naiad.testing import ManualClock


@dataclass
class Item:
    size: int
    queued_s: float = 0.0
    shape_key: Hashable = None


def batching(machine: Machine) -> LearnedBatching:
    return LearnedBatching(machine.rule())


def test_it_decides_as_the_rule_does_and_now_and_then_otherwise() -> None:
    subject, many = batching(SWEET), Situation([Item(32)] * 64, 0.0)
    decisions = [subject(many) for _ in range(OTHERWISE_EVERY)]
    assert decisions[:-1] == [Run([0, 1, 2, 3])] * (OTHERWISE_EVERY - 1)
    assert decisions[-1] == Run((0,))


def test_a_lone_text_is_no_question() -> None:
    subject = batching(ALONE)
    for _ in range(2 * OTHERWISE_EVERY):
        assert subject(Situation([Item(32)], 0.0)) == Run([0])


def test_a_choice_changes_some_time_after_the_times_have() -> None:
    """Packs were measured at half of their price; both ways are seen in service."""
    curve = ALONE.curve
    wrong = LearnedRule(type(curve)(curve.alone, curve.together.scaled(0.5), curve.busy_alone,
                                    curve.busy_together.scaled(0.5), curve.wide), instances=2, limit=512)  # fmt: skip
    subject, clock = LearnedBatching(wrong), ManualClock()
    assert subject.chosen_tokens > 0
    for number in range(8000):
        texts = max(1, subject.chosen_tokens // 32) if number % 4 else 1
        subject.ran(Ran(texts, texts * 32, ALONE.seconds(texts, texts * 32, busy=True), load=1.0), clock())
        clock.advance(SETTLE_S / 50)
    assert subject.chosen_tokens == 0


def test_runs_that_follow_too_soon_are_not_learned_from() -> None:
    subject, clock = batching(PACKS), ManualClock()
    subject.ran(Ran(1, 32, 1.0), clock())
    before = subject.curve
    clock.advance(LEAST_S / 2)
    subject.ran(Ran(1, 32, 1.0), clock())
    assert subject.curve == before
    clock.advance(LEAST_S)
    subject.ran(Ran(1, 32, 1.0), clock())
    assert subject.curve != before


def test_the_facts_are_plain_values() -> None:
    facts = batching(SWEET).facts()
    assert facts["tokens_chosen"] == 128
    assert facts["usual_tokens"] == 32
    assert facts["lone_on"] == "wide"
    assert {"texts": "together", "load": "busy", "tokens": 128, "seconds": SWEET.seconds(4, 128, busy=True)} in facts[
        "seconds"
    ]
    assert batching(ALONE).facts()["tokens_chosen"] == 0
