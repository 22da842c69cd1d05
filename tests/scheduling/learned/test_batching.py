"""The policy in service: what it chooses, what it learns from and how often."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import pytest
from machines import ALONE, PACKS, SWEET, Machine

from naiad.scheduling.contract import Execution, Job
from naiad.scheduling.decision import Run, Situation
from naiad.scheduling.learned.batching import AT_ONCE, LEAST_S, OTHERWISE_EVERY, SETTLE_S, LearnedBatching
from naiad.scheduling.learned.rule import LearnedRule
from naiad.testing import ManualClock


@dataclass
class Item:
    size: int
    queued_s: float = 0.0
    shape_key: Hashable = None


def execution(clock: ManualClock, texts: int, seconds: float, beside: float = 0.0) -> Execution:
    """A run of that many texts of 32 tokens that has just ended."""
    run = Execution([Job(None, 32, lambda *_: None) for _ in range(texts)])
    run.started_s, run.finished_s = clock() - seconds, clock()
    run.successes, run.beside = texts, beside
    return run


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
        assert subject(Situation([Item(32)], 0.0)) == Run((0,))


def test_a_choice_changes_some_time_after_the_times_have() -> None:
    """Packs were measured at half of their price; both ways are seen in service."""
    curve = ALONE.curve
    wrong = LearnedRule(type(curve)(curve.alone, curve.together.scaled(0.5), curve.busy_alone,
                                    curve.busy_together.scaled(0.5), curve.wide), instances=2, limit=512)  # fmt: skip
    subject, clock = LearnedBatching(wrong), ManualClock()
    assert subject.chosen_tokens > 0
    for number in range(8000):
        texts = max(1, subject.chosen_tokens // 32) if number % 4 else 1
        subject.ran(execution(clock, texts, ALONE.seconds(texts, texts * 32, busy=True), beside=1.0))
        clock.advance(SETTLE_S / 50)
    assert subject.chosen_tokens == 0


def test_runs_that_follow_too_soon_are_not_learned_from() -> None:
    subject, clock = batching(PACKS), ManualClock()
    before = subject.curve
    for _ in range(2 * AT_ONCE - 2):
        subject.ran(execution(clock, 1, 1.0))
        clock.advance(LEAST_S * 0.6)
    assert subject.curve == before
    for _ in range(2):
        subject.ran(execution(clock, 1, 1.0))
        clock.advance(LEAST_S * 0.6)
    assert subject.curve != before


def test_runs_that_failed_are_not_learned_from() -> None:
    subject, clock = batching(PACKS), ManualClock()
    before = subject.curve
    for _ in range(2 * AT_ONCE):
        failed = execution(clock, 2, 1.0)
        failed.successes = 1
        subject.ran(failed)
        clock.advance(1.0)
    assert subject.curve == before


def test_padding_counts() -> None:
    """Two texts of 8 and 32 tokens are a run of 64."""
    subject = LearnedBatching(replace(PACKS.rule(), pads=True))
    jobs = [Job(None, size, lambda *_: None) for size in (8, 32)]
    for number in range(AT_ONCE):
        run = Execution(jobs)
        run.started_s, run.successes = 1000.0 + number, 2
        run.finished_s = run.started_s + PACKS.seconds(2, 64, busy=False)
        subject.ran(run)
    assert subject.curve.together.seconds(64) == pytest.approx(PACKS.curve.together.seconds(64))


def test_a_lone_job_goes_where_it_ends_sooner() -> None:
    """The scheduler asks the policy; see `BatchScheduler`."""
    assert batching(PACKS).prefers_wide(32)
    assert not LearnedBatching(replace(PACKS, wide=1.1).rule()).prefers_wide(32)


def test_all_cores_that_seemed_slow_are_tried_now_and_then_and_taken_up() -> None:
    """A lone text takes 0.55 of its time on all cores; one unlucky run at load made it seem 1.2."""
    subject, clock = LearnedBatching(replace(PACKS, wide=1.2).rule()), ManualClock()
    tried = 0
    for _ in range(40 * OTHERWISE_EVERY):
        run = execution(clock, 1, PACKS.alone(32) / 1000)
        if subject.prefers_wide(32):
            run.is_wide, tried = True, tried + 1
            run.started_s = clock() - 0.55 * PACKS.alone(32) / 1000
        subject.ran(run)
        clock.advance(0.1)
        if subject.facts()["lone_on"] == "wide":
            break
    assert subject.facts()["lone_on"] == "wide"
    assert tried <= 8


def test_all_cores_that_are_slow_are_tried_no_more_often_than_that() -> None:
    subject = LearnedBatching(replace(PACKS, wide=1.1).rule())
    assert sum(subject.prefers_wide(32) for _ in range(10 * OTHERWISE_EVERY)) == 10


def test_the_facts_are_plain_values() -> None:
    facts = batching(SWEET).facts()
    assert facts["tokens_chosen"] == 128
    assert facts["usual_tokens"] == 32
    assert facts["lone_on"] == "wide"
    assert {"texts": "together", "load": "busy", "tokens": 128, "seconds": SWEET.seconds(4, 128, busy=True)} in facts[
        "seconds"
    ]
    assert batching(ALONE).facts()["tokens_chosen"] == 0
