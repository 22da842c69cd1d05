"""Diagnoses that follow from what a model is, or from there being nothing to look at."""

from __future__ import annotations

from collections.abc import Callable

from naiad.serving.explaining.diagnosis import Diagnosis
from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, share


def _ensemble(facts: Facts) -> Diagnosis | None:
    steps = facts.batching.steps
    if not steps:
        return None
    return Diagnosis(
        f"It is an ensemble and runs nothing itself; its steps are batched each by itself: {', '.join(steps)}.",
        f"Ask about its steps, such as `naiad explain {steps[0]}`.",
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
    _sequences,
    _apart,
    _inline,
    _tokens,
)
