"""Diagnoses of how rows come to share batches; the last one always suits."""

from __future__ import annotations

from collections.abc import Callable

from naiad.serving.explaining.diagnosis import BUSY, FULL, Diagnosis, gains_by_joining, is_alone, rows_under_way
from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, duration, number, share


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
    if rows_under_way(facts) < 1.2 * batching.most_rows:
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
    is_partial = facts.mean_rows <= 0.8 * min(batching.most_rows, rows_under_way(facts))
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
    if facts.mean_rows < 0.8 * rows_under_way(facts):
        return None
    return Diagnosis("All requests that are under way share a batch; there are no others that could join.")


def _natural(facts: Facts) -> Diagnosis | None:
    why = "A batch is what has come while the one before it ran: nobody waits for others."
    if facts.batching.chooses_delay and not gains_by_joining(facts):
        return Diagnosis(why + " Waiting would gain nothing, since a run takes longer in proportion to its rows.")
    return Diagnosis(why)


DIAGNOSES: tuple[Callable[[Facts], Diagnosis | None], ...] = (
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
