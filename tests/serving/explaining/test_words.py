"""Facts in, words out: a row for each diagnosis, and what is said besides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from naiad.core.model.config import DynamicBatching, ModelConfig
from naiad.serving.explaining.diagnoses import DIAGNOSES, diagnose
from naiad.serving.explaining.facts import Batching, Facts, StepFacts
from naiad.serving.explaining.numbers import counted, duration, number, share
from naiad.serving.explaining.words import explain

ADAPTIVE = Batching(8, chooses_delay=True)
FIXED = Batching(8, delay_s=0.005)


def facts(runs: dict[int, int] | None = None, **more: Any) -> Facts:
    """Ten seconds of a model that takes 10 ms for a run of any size and is busy all the time, eight being under way."""
    runs = runs or {8: 1000}
    rows = sum(size * count for size, count in runs.items())
    given = {"batching": ADAPTIVE, "requests": rows, "rows": rows, "took_s": 80.0, "queued_s": 8.0, "runs": runs}
    taken = {"ran_s": {size: count * 0.01 for size, count in runs.items()}}
    return Facts(**{"model": "m", "version": "1", "seconds": 10.0, **given, **taken, **more})


STEPS = (StepFacts(0, "tokenize", 1000, 2.0), StepFacts(1, "encode", 1000, 8.0))
HELD = (STEPS[0], replace(STEPS[1], waited_s=4.0, pending=3))
IDLE = Facts("m", "1", 10.0, ADAPTIVE)
BY_THE_ROW = {"ran_s": {2: 500 * 0.02, 8: 500 * 0.08}}

CASES = [
    (
        "_ensemble",
        facts(batching=Batching(0, steps=("tokenize", "encode"))),
        "batched each by itself: tokenize, encode.",
        "`naiad explain tokenize`",
    ),
    (
        "_ensemble",
        facts(batching=Batching(0, steps=("tokenize", "encode")), steps=STEPS),
        "80 % goes to step 1, model 'encode': 8 ms a run.",
        "Ask about that step: `naiad explain encode`.",
    ),
    (
        "_ensemble",
        facts(
            batching=Batching(0, steps=("tokenize", "encode")),
            steps=HELD,
        ),
        "a run waits 4 ms for others of the step, because max_inflight_requests are under way; 3 wait now.",
        "raise max_inflight_requests",
    ),
    (
        "_limited",
        facts(limited=1000, limited_s=5.0, limited_pending=1),
        "Before a run, an instance waits 5 ms for the rate limiter's resources, which other runs have; 1 wait now.",
        "--rate-limit-resource",
    ),
    ("_sequences", facts({3: 900}, batching=Batching(8, sequences=True)), "a batch holds one request of each", ""),
    ("_idle", IDLE, "Nothing ran, because nothing came.", "Send some requests"),
    ("_cached", facts(hits=7900, requests=8000), "The response cache answers 99 % of the requests", ""),
    ("_running", replace(IDLE, waiting=3), "No run has ended in this time.", "Watch for longer."),
    ("_apart", facts({1: 900}, batching=Batching(0, joins=False)), "because max_batch_size is 0", "set max_batch_size"),
    ("_apart", facts({1: 900}, batching=Batching(1, joins=False)), "max_batch_size is 1", "raise max_batch_size"),
    ("_apart", facts({1: 900}, batching=Batching(8, joins=False)), "is switched off", "the parameter 'batching'"),
    ("_inline", facts({1: 900}, runs_inline=True), "stay on the event loop and wait for nobody", ""),
    ("_tokens", facts(batching=Batching(0, by_tokens=True)), "up to a fixed number of tokens", "max_tokens_per_batch"),
    (
        "_tokens",
        facts({1: 900}, batching=Batching(0, by_tokens=True), usual_tokens=30),
        "A usual one has 30 tokens. On this machine, texts run fastest one at a time",
        "",
    ),
    (
        "_tokens",
        facts({1: 900, 4: 9}, batching=Batching(0, by_tokens=True), usual_tokens=30),
        "one at a time; that was measured. Now and then some run together",
        "",
    ),
    (
        "_tokens",
        facts({8: 900}, batching=Batching(0, by_tokens=True), usual_tokens=30, tokens_chosen=256),
        "Runs of up to 256 tokens, 8.5 such texts, were measured to cost least for each token. Enough texts wait",
        "",
    ),
    (
        "_tokens",
        facts({2: 900}, batching=Batching(0, by_tokens=True), usual_tokens=30, tokens_chosen=256, took_s=30.0),
        "no text waits while an instance is idle, and only 3 requests are under way",
        "",
    ),
    ("_shapes", facts({2: 800}, splits=600), "75 % of the batches end where the next request has another shape", "pad"),
    (
        "_preferred",
        facts({4: 900}, batching=Batching(8, preferred=(4,))),
        "preferred_batch_size is [4], so a batch leaves with that many rows although more wait.",
        "batches grow up to max_batch_size (8)",
    ),
    ("_full", facts(), "Batches are full: max_batch_size is 8", ""),
    ("_full", facts(took_s=300.0), "Batches are full: max_batch_size is 8", "raise max_batch_size"),
    (
        "_full",
        facts({2: 5, 8: 900}, ran_s={2: 0.1, 8: 72.0}, took_s=300.0),
        "Larger ones would gain little, since a run takes longer in proportion to its rows",
        "",
    ),
    (
        "_delayed",
        facts({1: 600}, batching=FIXED, waits=600, waited_s=3.0, took_s=9.0),
        "Batches wait for the whole of max_queue_delay_microseconds (5 ms) and leave with one row: there is nobody",
        "Remove max_queue_delay_microseconds",
    ),
    ("_alone", facts({1: 900}, took_s=9.5), "Hardly ever is more than one request under way", "side by side"),
    ("_many_instances", facts({1: 900}, instances=2), "An instance is nearly always idle", "lower the count"),
    (
        "_waits",
        facts({6: 900}, waits=450, waited_s=0.45),
        "8 requests are under way at a time. Before 50 % of the runs the batcher waits 1 ms for those that it expects",
        "",
    ),
    (
        "_short",
        facts({4: 950}, batching=Batching(8, preferred=(8, 7))),
        "A batch leaves as soon as an instance is free, with 4 rows",
        "Remove max_queue_delay_microseconds and preferred_batch_size",
    ),
    (
        "_short",
        facts({4: 950}, batching=replace(FIXED, delay_s=0.0001)),
        "A batch leaves after 100 µs at the latest, with 4 rows",
        "Remove max_queue_delay_microseconds",
    ),
    ("_short", facts({4: 950}, batching=Batching(8)), "as soon as an instance is free", "--adaptive-batching"),
    ("_together", facts({4: 950}, took_s=41.0), "All requests that are under way share a batch", ""),
    ("_natural", facts({4: 950}), "A batch is what has come while the one before it ran: nobody waits", ""),
    ("_natural", facts({2: 500, 6: 500}, ran_s={2: 10.0, 6: 30.0}), "Waiting would gain nothing", ""),
]


@pytest.mark.parametrize(("name", "given", "why", "change"), CASES, ids=[case[0] for case in CASES])
def test_diagnosis(name: str, given: Facts, why: str, change: str) -> None:
    found = diagnose(given)
    first = next(one for one in DIAGNOSES if one(given) is not None)
    assert (first.__name__, why in found.why) == (name, True), found
    assert change in found.change, found
    assert bool(change) == bool(found.change), found


def test_every_diagnosis_has_a_case() -> None:
    assert {one.__name__ for one in DIAGNOSES} == {name for name, *_ in CASES}


def test_it_reads_as_a_page() -> None:
    said = explain(facts({4: 500, 8: 500}, waits=500, waited_s=0.6, waiting=2))
    assert said.headline == "m answers 600 requests a second, in batches of 6 rows on average."
    assert said.parts == {
        "What comes": "600 requests a second, of one row each; 8 are under way at a time.",
        "What runs": "100 runs a second: mostly 8 rows (50 %), 4 rows (50 %). A run of 4 rows takes 10 ms, one of "
        "8 rows takes 10 ms, so joining saves time.",
        "Queue": "A request waits 1.33 ms of the 13.3 ms it takes; 2 wait now.",
        "Why this size": "8 requests are under way at a time. Before 50 % of the runs the batcher waits 1.2 ms for "
        "those that it expects, because that answers all of them sooner than a run of their own would.",
        "What limits": "The model itself. The instance runs for 100 % of the time: only larger batches, a faster model "
        "or more instances answer more.",
        "What to change": "Nothing.",
    }


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (facts(took_s=300.0), "The model itself. The instance runs for 100 % of the time"),
        (facts({8: 300}), "What comes. The instance runs for 30 % of the time: more requests could be answered."),
        (facts(instances=2, took_s=200.0), "What comes. The 2 instances run for 50 % of the time"),
        (facts({1: 900}, runs_inline=True), "The event loop, not the model: the instance runs for 90 % of the time."),
        (facts({1: 900}, took_s=9.5), "The clients, who ask for one thing at a time. The instance runs for 90 %"),
    ],
)
def test_what_limits(given: Facts, limit: str) -> None:
    assert explain(given).parts["What limits"].startswith(limit)


def test_refused_requests_come_first_of_what_to_change() -> None:
    change = explain(facts(took_s=300.0, refused=12)).parts["What to change"]
    assert change.startswith("12 requests were refused, since the queue was full or their time in it was over.")
    assert "raise max_batch_size" in change


def test_an_idle_model_is_a_short_page() -> None:
    said = explain(IDLE)
    assert said.headline == "m has answered nothing in 10 s."
    assert list(said.parts) == ["Why this size", "What to change"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ModelConfig("m", max_batch_size=8), Batching(8, chooses_delay=True)),
        (ModelConfig("m", max_batch_size=8, parameters={"batching": "immediate"}), Batching(8)),
        (ModelConfig("m", max_batch_size=8, parameters={"batching": "off"}), Batching(8, joins=False)),
        (ModelConfig("m"), Batching(0, joins=False)),
        (
            ModelConfig("m", max_batch_size=8, dynamic_batching=DynamicBatching((8,), 0.005)),
            Batching(8, delay_s=0.005),
        ),
        (ModelConfig("m", max_batch_size=8, dynamic_batching=DynamicBatching((4,))), Batching(8, preferred=(4,))),
        (ModelConfig("m", platform="naiad_text"), Batching(0, by_tokens=True)),
    ],
)
def test_what_the_configuration_allows(config: ModelConfig, expected: Batching) -> None:
    assert Batching.of(config) == expected


def test_numbers_as_people_say_them() -> None:
    assert [duration(value) for value in (0.000085, 0.0104, 1.25)] == ["85 µs", "10.4 ms", "1.25 s"]
    assert [number(value) for value in (1240.4, 7.26, 8.0, 0.042, 0.0)] == ["1,240", "7.3", "8", "0.04", "0"]
    assert [counted(value, "row", "rows") for value in (1.0, 0.2, 3)] == ["one row", "0.2 rows", "3 rows"]
    assert share(0.934) == "93 %"


def test_waits_for_resources_that_are_nothing_beside_the_runs_are_no_reason() -> None:
    found = facts(limited=1000, limited_s=0.1)
    assert "rate limiter" not in explain(found).parts["Why this size"]
    assert "A run waits 100 µs for the rate limiter's resources." in explain(found).parts["Queue"]


def test_the_steps_of_an_ensemble_are_told_in_their_order() -> None:
    said = explain(facts({}, batching=Batching(0, steps=("tokenize", "encode")), steps=STEPS, requests=1000))
    assert said.parts["What runs"] == (
        "step 0, tokenize: 100 runs a second, 2 ms each; step 1, encode: 100 runs a second, 8 ms each."
    )
