"""Whether the code in front of a model lets it run, and how many workers would: pure, from two looks at an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from naiad.observe.starvation import PreprocessTimes
from naiad.serving.explaining.diagnosis import Diagnosis
from naiad.serving.explaining.facts import Facts
from naiad.serving.explaining.numbers import counted, duration, number, share
from naiad.serving.explaining.words import Explanation, explain

HARDLY = 0.1
"""A model that waits for less of the time is not starved."""

HELD = 0.75
"""Workers that are held for this share of the time are what limits."""


@dataclass(frozen=True, slots=True)
class PreprocessFacts:
    """What happened in some seconds."""

    model: str
    workers: int
    seconds: float
    active_s: float
    """Requests were under way."""
    waited_s: float
    """Of these, the model waited for the hooks."""
    requests: int
    held_s: float
    """A request held its worker, on average."""
    processor_s: float
    """Of that, it used a processor."""

    @property
    def starved(self) -> float:
        """Share of the time with requests in which the model waited."""
        return self.waited_s / self.active_s if self.active_s > 0 else 0.0

    @property
    def held(self) -> float:
        """Share of the time for which the workers were held."""
        return min(1.0, self.held_s * self.requests / (self.seconds * self.workers))


def facts_between(before: PreprocessTimes, after: PreprocessTimes, seconds: float) -> PreprocessFacts:
    """What happened between two looks at the same loaded endpoint."""
    requests = after.requests - before.requests
    each = max(1, requests)
    return PreprocessFacts(
        after.model,
        after.workers,
        seconds,
        after.active_s - before.active_s,
        after.waited_s - before.waited_s,
        requests,
        (after.held_s - before.held_s) / each,
        (after.processor_s - before.processor_s) / each,
    )


def decide_more_workers(facts: PreprocessFacts, model: Facts | None, cores: int) -> tuple[int, float]:
    """Say how many more workers would be of use, and how many requests a second there would be then.

    Enough for the model to run all the time, as far as the machine's cores take hooks and model together. The model is
    counted as one core for each run. model: what it did meanwhile; None: there is none, and cores alone are the limit.
    """
    most, model_s = inf, 0.0
    if model is not None and model.requests and model.run_count:
        ran_s = sum(model.ran_s.values())
        model_s = ran_s / model.requests
        most = model.requests / model.seconds / max(model.busy, 1e-9)
    each_s = facts.processor_s + model_s
    rate = min(most, cores / each_s if each_s > 0 else inf)
    if rate == inf or not facts.held_s:
        return 0, facts.requests / facts.seconds
    return max(0, ceil(rate * facts.held_s - 0.05) - facts.workers), rate


def diagnose(facts: PreprocessFacts, model: Facts | None, cores: int) -> Diagnosis:
    """Say whether the model is starved and what would change it."""
    if not facts.requests:
        return Diagnosis("No request has been through the hooks in this time.", "Ask again while requests run.")
    hooks = f"The hooks hold a worker for {duration(facts.held_s)} a request"
    held = f"{hooks}; {_workers(facts.workers)} held for {share(facts.held)} of the time"
    if facts.model and facts.starved < HARDLY:
        return Diagnosis(
            f"The model waited for preprocess for {share(facts.starved)} of the time, hardly ever. {held}."
        )
    begin = f"starved: the model waited {share(facts.starved)} of the time for preprocess. " if facts.model else ""
    if facts.held < HELD:
        return Diagnosis(
            f"{begin}{held}, so there are workers enough.",
            "Send more requests at the same time, or make the hooks quicker; more workers would not help."
            if facts.model
            else "",
        )
    more, rate = decide_more_workers(facts, model, cores)
    now = facts.requests / facts.seconds
    if not more:
        return Diagnosis(
            f"{begin}{held}.",
            f"Make the hooks cheaper, or add a replica; more workers would not help, since a request takes "
            f"{duration(facts.processor_s)} of processor time in the hooks and this machine has "
            f"{counted(cores, 'core', 'cores')}.",
        )
    what = "would keep the model running" if facts.model and _is_model_limit(rate, model) else "would use all cores"
    return Diagnosis(
        f"{begin}{held}.",
        f"{counted(more, 'more worker', 'more workers')} {what}: about {number(rate)} requests a second instead of "
        f"{number(now)}. Set workers: {facts.workers + more}.",
    )


def explain_endpoint(endpoint: Facts, found: Diagnosis) -> Explanation:
    """Say it of the endpoint; what its own runs look like tells nothing, since each is one request's hooks."""
    said = explain(endpoint)
    shown: tuple[str, ...] = ("What comes", "Queue")
    parts = {title: said.parts[title] for title in shown if title in said.parts}
    parts["Preprocess"] = found.why
    parts["What to change"] = found.change or "Nothing."
    rate = counted(endpoint.requests / endpoint.seconds, "request", "requests")
    return Explanation(f"{endpoint.model} answers {rate} a second.", parts)


def _workers(count: int) -> str:
    return "its worker is" if count == 1 else f"its {count} workers are"


def _is_model_limit(rate: float, model: Facts | None) -> bool:
    return model is not None and rate >= 0.99 * model.requests / model.seconds / max(model.busy, 1e-9)
