"""Times follow the runs in service, slowly; choices change only for a clear gain."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from machines import ALONE, MACHINES, PACKS, SHARED, Machine

from naiad.scheduling.learned.batching import OTHERWISE_EVERY
from naiad.scheduling.learned.rule import LearnedRule, chosen_texts
from naiad.scheduling.learned.watching import LARGEST_STEP, PACE_RATE, SIZE_RATE, Ran, Watched, learn, settle

USUAL = 32


def serve(rule: LearnedRule, machine: Machine, runs: int, *, noise: float = 0.0, slower: float = 1.0) -> list[int]:
    """Run what the rule chooses and now and then something else, learn from it, and note each choice."""
    source = random.Random(1)  # noqa: S311
    watched, choices = Watched(rule.curve), [chosen_texts(rule, USUAL)]
    for number in range(runs):
        texts = choices[-1]
        if number % OTHERWISE_EVERY == 0:
            texts = 4 if texts == 1 else 1
        seconds = machine.seconds(texts, texts * USUAL, busy=True) * slower * source.lognormvariate(0, noise)
        watched = learn(watched, Ran(texts, texts * USUAL, seconds, load=1.0))
        if number % 128 == 127:
            rule = settle(rule, watched.curve, USUAL)
            choices.append(chosen_texts(rule, USUAL))
    return choices


def per_text(machine: Machine, texts: int) -> float:
    return machine.seconds(texts, texts * USUAL, busy=True) / texts


def test_one_run_moves_little_whatever_it_took() -> None:
    curve = PACKS.curve
    for seconds in (1e-9, 1000.0):
        moved = learn(Watched(curve), Ran(4, 128, seconds, load=1.0)).curve
        share = moved.busy_together.seconds(128) / curve.busy_together.seconds(128)
        most = LARGEST_STEP ** (PACE_RATE + SIZE_RATE) * (1 + 1e-9)
        assert 1 / most <= share <= most
        assert share != 1.0


def test_a_run_as_expected_changes_nothing() -> None:
    curve = PACKS.curve
    moved = learn(Watched(curve), Ran(4, 128, curve.busy_together.seconds(128), load=1.0))
    assert moved.curve.busy_together.seconds(128) == pytest.approx(curve.busy_together.seconds(128))


def test_half_of_the_others_running_is_half_way_between_quiet_and_busy() -> None:
    curve = SHARED.curve
    seconds = (curve.alone.seconds(32) + curve.busy_alone.seconds(32)) / 2
    assert learn(Watched(curve), Ran(1, 32, seconds, load=0.5)).pace == pytest.approx(1.0)


def test_a_run_on_all_cores_is_about_no_other_size() -> None:
    moved = learn(Watched(PACKS.curve), Ran(1, 32, 1.0, is_wide=True)).sizes
    assert replace(moved, wide=PACKS.curve.wide) == PACKS.curve
    assert moved.wide.seconds(32) > PACKS.curve.wide.seconds(32)


@pytest.mark.parametrize("ran", [Ran(0, 0, 1.0), Ran(1, 8, 0.0)])
def test_what_is_no_run_teaches_nothing(ran: Ran) -> None:
    assert learn(Watched(PACKS.curve), ran) == Watched(PACKS.curve)


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_noise_does_not_change_the_choice(machine: Machine) -> None:
    assert len(set(serve(machine.rule(), machine, 2000, noise=0.2))) == 1


@pytest.mark.parametrize("slower", [0.35, 3.0])
@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_a_machine_of_another_pace_keeps_its_choice_and_is_known_in_the_end(machine: Machine, slower: float) -> None:
    choices = serve(machine.rule(), machine, 3000, noise=0.1, slower=slower)
    assert len(set(choices)) == 1


def wrong(machine: Machine, factor: float) -> LearnedRule:
    """A rule from a measurement in which packs seemed to cost so many times what they do."""
    curve = machine.curve
    return LearnedRule(replace(curve, busy_together=curve.busy_together.scaled(factor)), instances=2, limit=512)


def test_packs_that_seemed_cheap_are_given_up_once_they_are_seen_and_not_taken_up_again() -> None:
    choices = serve(wrong(ALONE, 0.5), ALONE, 20_000, noise=0.1)
    assert choices[0] > 1
    assert set(choices[-50:]) == {1}


def test_alone_that_seemed_cheap_is_given_up_though_only_it_is_run() -> None:
    choices = serve(wrong(PACKS, 2.0), PACKS, 20_000, noise=0.1)
    assert choices[0] == 1
    assert per_text(PACKS, choices[-1]) < 1.06 * per_text(PACKS, 4)
