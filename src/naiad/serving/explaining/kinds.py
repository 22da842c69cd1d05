"""Diagnoses that follow from what a model is, or from there being nothing to look at."""

from __future__ import annotations

from collections.abc import Callable

from naiad.serving.explaining.diagnosis import Diagnosis
from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, duration, share

WAITS = 0.2
"""Waiting that is worth a word: of the time that runs take."""


def _ensemble(facts: Facts) -> Diagnosis | None:
    steps = facts.batching.steps
    if not steps:
        return None
    itself = f"It is an ensemble and runs nothing itself; its steps are batched each by itself: {', '.join(steps)}."
    spent_s = sum(step.took_s + step.waited_s for step in facts.steps)
    if not spent_s:
        return Diagnosis(itself, f"Ask about its steps, such as `naiad explain {steps[0]}`.")
    slowest = max(facts.steps, key=lambda step: step.took_s + step.waited_s)
    name, runs = f"step {slowest.number}, model '{slowest.model}'", max(1, slowest.runs)
    part = share((slowest.took_s + slowest.waited_s) / spent_s)
    why = f"{itself} Of the time that its steps take, {part} goes to {name}: {duration(slowest.took_s / runs)} a run."
    if slowest.waited_s > WAITS * slowest.took_s:
        waits = f" Before that, a run waits {duration(slowest.waited_s / runs)} for others of the step"
        now = f"; {slowest.pending} wait now" if slowest.pending else ""
        return Diagnosis(
            f"{why}{waits}, because max_inflight_requests are under way{now}.",
            f"If `naiad explain {slowest.model}` shows idle instances or small batches, raise max_inflight_requests; "
            "otherwise make that model faster.",
        )
    return Diagnosis(why, f"Ask about that step: `naiad explain {slowest.model}`.")


def _limited(facts: Facts) -> Diagnosis | None:
    """Runs wait for resources longer than is nothing beside what they take."""
    ran_s = sum(facts.ran_s.values())
    if not facts.limited or facts.limited_s <= WAITS * ran_s:
        return None
    now = f"; {facts.limited_pending} wait now" if facts.limited_pending else ""
    return Diagnosis(
        f"Before a run, an instance waits {duration(facts.limited_s / facts.limited)} for the rate limiter's "
        f"resources, which other runs have{now}. What comes meanwhile shares the batch.",
        "Let more runs go on at a time with --rate-limit-resource, let the instance groups ask for less, or give this "
        "model's a priority nearer to 1.",
    )


def _idle(facts: Facts) -> Diagnosis | None:
    if facts.requests or facts.waiting or facts.run_count:
        return None
    return Diagnosis("Nothing ran, because nothing came.", "Send some requests and ask again while they run.")


def _cached(facts: Facts) -> Diagnosis | None:
    if facts.hits < 0.9 * facts.requests or not facts.hits:
        return None
    return Diagnosis(
        f"The response cache answers {share(facts.hits / facts.requests)} of the requests; few run at all."
    )


def _running(facts: Facts) -> Diagnosis | None:
    if facts.run_count:
        return None
    return Diagnosis("No run has ended in this time.", "Watch for longer.")


def _sequences(facts: Facts) -> Diagnosis | None:
    if not facts.batching.sequences or not facts.run_count:
        return None
    return Diagnosis(
        "Its requests belong to sequences: a batch holds one request of each at most, so it is as large as there are "
        "sequences whose next request has come.",
    )


def _apart(facts: Facts) -> Diagnosis | None:
    batching = facts.batching
    if batching.joins:
        return None
    if not batching.most_rows:
        return Diagnosis(
            "Requests run one by one, because max_batch_size is 0.",
            "If the model takes a batch dimension, set max_batch_size to what its memory allows.",
        )
    if batching.most_rows == 1:
        return Diagnosis(
            "Requests run one by one, because max_batch_size is 1.",
            "If the model takes larger batches, raise max_batch_size.",
        )
    return Diagnosis(
        "Requests run one by one, because batching is switched off for this model.",
        "Remove the parameter 'batching' from its configuration, or start the server without --no-batching, "
        "--no-join-waiting.",
    )


def _inline(facts: Facts) -> Diagnosis | None:
    if not facts.runs_inline:
        return None
    return Diagnosis(
        "Runs are so short that they stay on the event loop and wait for nobody: only requests that are read in the "
        "same moment share one. Most of the time goes into reading requests and writing answers."
    )


def _tokens(facts: Facts) -> Diagnosis | None:
    if not facts.batching.by_tokens:
        return None
    if not facts.usual_tokens:
        return Diagnosis(
            "Texts are joined up to a fixed number of tokens.",
            "Leave max_tokens_per_batch out of the manifest to have the number chosen from measured times.",
        )
    usual = f"A usual one has {facts.usual_tokens} tokens. "
    if not facts.tokens_chosen:
        tried = " Now and then some run together, to see whether that is still so." if facts.mean_rows > 1 else ""
        return Diagnosis(f"{usual}On this machine, texts run fastest one at a time; that was measured.{tried}")
    room = facts.tokens_chosen / facts.usual_tokens
    chosen = (
        f"{usual}Runs of up to {facts.tokens_chosen} tokens, {counted(room, 'such text', 'such texts')}, were measured "
        "to cost least for each token. "
    )
    if facts.mean_rows >= 0.75 * room:
        return Diagnosis(chosen + "Enough texts wait to fill them.")
    return Diagnosis(
        f"{chosen}They are smaller than that, because no text waits while an instance is idle, and only "
        f"{counted(facts.under_way, 'request is', 'requests are')} under way at a time."
    )


DIAGNOSES: tuple[Callable[[Facts], Diagnosis | None], ...] = (
    _ensemble,
    _idle,
    _cached,
    _running,
    _limited,
    _sequences,
    _apart,
    _inline,
    _tokens,
)
