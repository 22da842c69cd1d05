"""Facts → an explanation that can be read aloud: what comes, what runs, why batches have their size, what to change."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.serving.explaining.diagnoses import diagnose
from naiad.serving.explaining.diagnosis import BUSY, gains_by_joining, growth, is_alone
from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, duration, number, share


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is said of one model version."""

    headline: str
    parts: dict[str, str]
    """By title, in order."""


def explain(facts: Facts) -> Explanation:
    """Say it."""
    found = diagnose(facts)
    parts = {
        "What comes": _coming(facts),
        "What runs": _steps(facts) or _running(facts),
        "Queue": _queue(facts),
        "Why this size": found.why,
        "What limits": _limit(facts),
        "What to change": " ".join(filter(None, (_refused(facts), found.change))) or "Nothing.",
    }
    return Explanation(_headline(facts), {title: words for title, words in parts.items() if words})


def _headline(facts: Facts) -> str:
    if not facts.requests:
        return f"{facts.model} has answered nothing in {duration(facts.seconds)}."
    rate = f"{facts.model} answers {counted(facts.requests / facts.seconds, 'request', 'requests')} a second"
    if not facts.run_count:
        return f"{rate}."
    return f"{rate}, in batches of {counted(facts.mean_rows, *_unit(facts))} on average."


def _unit(facts: Facts) -> tuple[str, str]:
    return ("text", "texts") if facts.batching.by_tokens else ("row", "rows")


def _coming(facts: Facts) -> str:
    if not facts.requests:
        return f"{facts.waiting} requests wait." if facts.waiting else ""
    rows = facts.rows / max(1, facts.requests - facts.hits)
    each = f", of {counted(rows, *_unit(facts))} each" if facts.requests > facts.hits else ""
    cached = f" {share(facts.hits / facts.requests)} are answered from the cache." if facts.hits else ""
    return (
        f"{number(facts.requests / facts.seconds)} requests a second{each}; "
        f"{number(facts.under_way)} are under way at a time.{cached}"
    )


def _running(facts: Facts) -> str:
    if not facts.run_count:
        return ""
    usual = sorted(facts.runs, key=lambda rows: -facts.runs[rows] * rows)[:3]
    sizes = ", ".join(f"{counted(rows, *_unit(facts))} ({share(facts.runs[rows] / facts.run_count)})" for rows in usual)
    words = (
        f"{number(facts.run_count / facts.seconds)} runs a second: {'' if len(facts.runs) == 1 else 'mostly '}{sizes}."
    )
    sizes_apart = growth(facts)
    if sizes_apart is None:
        rows = usual[0]
        return f"{words} A run of {counted(rows, *_unit(facts))} takes {duration(facts.run_s(rows))}."
    small, large = sizes_apart
    times = (
        f"A run of {counted(small, *_unit(facts))} takes {duration(facts.run_s(small))}, "
        f"one of {counted(large, *_unit(facts))} takes {duration(facts.run_s(large))}"
    )
    if not gains_by_joining(facts):
        return f"{words} {times}: about in proportion, so joining saves little."
    return f"{words} {times}, so joining saves time."


def _steps(facts: Facts) -> str:
    """The steps of an ensemble, in their order."""
    told = [
        f"step {step.number}, {step.model}: {number(step.runs / facts.seconds)} runs a second, "
        f"{duration(step.took_s / step.runs)} each"
        for step in facts.steps
        if step.runs
    ]
    return f"{'; '.join(told)}." if told else ""


def _queue(facts: Facts) -> str:
    asked = facts.requests - facts.hits
    if asked <= 0:
        return ""
    words = (
        f"A request waits {duration(facts.queued_s / asked)} of the {duration(facts.took_s / facts.requests)} it takes"
    )
    words += f"; {facts.waiting} wait now." if facts.waiting else "."
    if facts.limited:
        words += f" A run waits {duration(facts.limited_s / facts.limited)} for the rate limiter's resources."
    return words


def _limit(facts: Facts) -> str:
    if not facts.run_count or facts.steps:
        return ""
    name = "The instance runs" if facts.instances == 1 else f"The {facts.instances} instances run"
    busy = f"{name} for {share(facts.busy)} of the time"
    if facts.runs_inline:
        return f"The event loop, not the model: {busy[0].lower()}{busy[1:]}."
    if is_alone(facts):
        return f"The clients, who ask for one thing at a time. {busy}."
    if facts.busy >= BUSY:
        return f"The model itself. {busy}: only larger batches, a faster model or more instances answer more."
    return f"What comes. {busy}: more requests could be answered."


def _refused(facts: Facts) -> str:
    if not facts.refused:
        return ""
    return (
        f"{facts.refused} requests were refused, since the queue was full or their time in it was over. Send less, add "
        "instances or replicas, or raise max_queue_size if waiting longer is better than being refused."
    )
