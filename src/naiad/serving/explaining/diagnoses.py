"""Why batches have the size they have, and what would change it: the first diagnosis that suits the facts.

Each is a pure function of the facts; a new one is a new row of `DIAGNOSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, duration, number, share

BUSY = 0.85
"""Instances that run for this share of the time are what limits throughput."""

FULL = 0.9
"""A batch of this share of the most rows is as good as full."""

SOLID = 3
"""Runs of a size that make its mean time worth a word."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One answer."""

    why: str
    change: str = ""
    """What to do about it; empty: nothing."""


def diagnose(facts: Facts) -> Diagnosis:
    """Give the first diagnosis that suits."""
    return next(found for suits in DIAGNOSES if (found := suits(facts)) is not None)


def growth(facts: Facts) -> tuple[int, int] | None:
    """The smallest and the largest size that ran often enough to compare their times, if they differ."""
    solid = [rows for rows, runs in facts.runs.items() if runs >= SOLID]
    return (min(solid), max(solid)) if len(solid) > 1 else None


def gains_by_joining(facts: Facts) -> bool:
    """Whether a row costs clearly less in a large run than in a small one; taken for granted while nothing is known."""
    sizes = growth(facts)
    if sizes is None:
        return True
    small, large = sizes
    return facts.run_s(large) / large < 0.8 * facts.run_s(small) / small


def _rows_under_way(facts: Facts) -> float:
    return facts.under_way * facts.rows / max(1, facts.requests)


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
        return Diagnosis(usual + "On this machine, texts run fastest one at a time; that was measured.")
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


def _shapes(facts: Facts) -> Diagnosis | None:
    if facts.splits < 0.2 * facts.run_count:
        return None
    return Diagnosis(
        f"{share(facts.splits / facts.run_count)} of the batches end where the next request has another shape: only "
        "requests whose inputs have the same shape share a batch.",
        "Have clients pad inputs to a few shapes, or set allow_ragged_batch for inputs that the model takes ragged.",
    )


def _preferred(facts: Facts) -> Diagnosis | None:
    batching = facts.batching
    runs = sum(count for rows, count in facts.runs.items() if rows in batching.preferred)
    if not runs or runs < 0.5 * facts.run_count or max(batching.preferred) >= FULL * batching.most_rows:
        return None
    sizes = ", ".join(map(str, batching.preferred))
    if facts.under_way <= 1.5 * facts.mean_rows:
        return None
    return Diagnosis(
        f"preferred_batch_size is [{sizes}], so a batch leaves with that many rows although more wait.",
        f"Remove preferred_batch_size, and batches grow up to max_batch_size ({batching.most_rows}).",
    )


def _full(facts: Facts) -> Diagnosis | None:
    batching = facts.batching
    if facts.mean_rows < FULL * batching.most_rows:
        return None
    why = f"Batches are full: max_batch_size is {batching.most_rows}, and enough requests wait."
    if not gains_by_joining(facts):
        return Diagnosis(why + " Larger ones would gain little, since a run takes longer in proportion to its rows.")
    if _rows_under_way(facts) < 1.2 * batching.most_rows:
        return Diagnosis(why)
    return Diagnosis(why, "If memory allows, raise max_batch_size: a row costs less in a larger run, and more wait.")


def _delayed(facts: Facts) -> Diagnosis | None:
    """A fixed delay that passes without anybody coming."""
    delay_s, waited = facts.batching.delay_s, facts.waited_s / max(1, facts.waits)
    if not delay_s or facts.waits < 0.5 * facts.run_count or waited < 0.8 * delay_s:
        return None
    return Diagnosis(
        f"Batches wait for the whole of max_queue_delay_microseconds ({duration(delay_s)}) and leave with "
        f"{counted(facts.mean_rows, 'row', 'rows')}: there is nobody else who could come, as only "
        f"{counted(facts.under_way, 'request is', 'requests are')} under way at a time.",
        "Remove max_queue_delay_microseconds; the batcher then waits only for requests that it expects.",
    )


def is_alone(facts: Facts) -> bool:
    """Whether there is hardly ever more than one request."""
    return facts.under_way <= 1.2


def _alone(facts: Facts) -> Diagnosis | None:
    if not is_alone(facts):
        return None
    return Diagnosis(
        "Hardly ever is more than one request under way, so there is nobody to share a batch with.",
        "To use the model more, send requests side by side, or several rows in one request.",
    )


def _many_instances(facts: Facts) -> Diagnosis | None:
    if facts.instances < 2 or facts.busy >= BUSY or facts.mean_rows > 1.5:
        return None
    return Diagnosis(
        f"An instance is nearly always idle, and takes a request as soon as it comes: {facts.instances} instances run "
        f"for {share(facts.busy)} of the time.",
        "That answers soonest. If larger batches are wanted all the same, lower the count of the instance group.",
    )


def _waits(facts: Facts) -> Diagnosis | None:
    if not facts.batching.chooses_delay or facts.waits < 0.2 * facts.run_count:
        return None
    mean_s = facts.waited_s / facts.waits
    return Diagnosis(
        f"{number(facts.under_way)} requests are under way at a time. Before {share(facts.waits / facts.run_count)} of "
        f"the runs the batcher waits {duration(mean_s)} for those that it expects, because that answers all of them "
        "sooner than a run of their own would."
    )


def _short(facts: Facts) -> Diagnosis | None:
    """Parts of batches that a delay would join, where the batcher may not choose one."""
    batching = facts.batching
    is_partial = facts.mean_rows <= 0.8 * min(batching.most_rows, _rows_under_way(facts))
    if batching.chooses_delay or not is_partial or facts.busy < 0.7 or not gains_by_joining(facts):
        return None
    said = f"after {duration(batching.delay_s)} at the latest" if batching.delay_s else "as soon as an instance is free"
    remedy = (
        "Remove max_queue_delay_microseconds and preferred_batch_size, and the batcher chooses how long to wait."
        if batching.delay_s or batching.preferred
        else "Let the batcher choose how long to wait: with --adaptive-batching, without the parameter 'batching'."
    )
    return Diagnosis(
        f"A batch leaves {said}, with {counted(facts.mean_rows, 'row', 'rows')}, while the others are just being "
        "answered or on their way: they share the next one.",
        remedy,
    )


def _together(facts: Facts) -> Diagnosis | None:
    if facts.mean_rows < 0.8 * _rows_under_way(facts):
        return None
    return Diagnosis("All requests that are under way share a batch; there are no others that could join.")


def _natural(facts: Facts) -> Diagnosis | None:
    why = "A batch is what has come while the one before it ran: nobody waits for others."
    if facts.batching.chooses_delay and not gains_by_joining(facts):
        return Diagnosis(why + " Waiting would gain nothing, since a run takes longer in proportion to its rows.")
    return Diagnosis(why)


DIAGNOSES: tuple[Callable[[Facts], Diagnosis | None], ...] = (
    _idle,
    _cached,
    _running,
    _apart,
    _inline,
    _tokens,
    _shapes,
    _preferred,
    _full,
    _delayed,
    _alone,
    _many_instances,
    _waits,
    _short,
    _together,
    _natural,
)
"""The first that suits is the answer; the last always does."""
