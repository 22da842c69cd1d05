"""What is still good enough, by precision: a table, and the judgement by it.

Full precision must give the same numbers. Everything else may move them, as long as vectors keep their direction or
answers stay what they were; `strict` wants both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from naiad.convert.gate.compare import Comparison


class Setting(StrEnum):
    """How strictly a conversion is judged."""

    STRICT = "strict"
    DEFAULT = "default"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Limits:
    """For one precision at one setting; None: not looked at."""

    relative: float | None = None
    """Largest difference as a part of the output's scale."""
    mean_cosine: float | None = None
    lowest_cosine: float | None = None
    same_best: float | None = None
    either: bool = False
    """For scores, direction or best answers are enough."""


LIMITS: dict[str, dict[Setting, Limits]] = {
    "fp32": {
        Setting.DEFAULT: Limits(relative=1e-4, same_best=1.0),
        Setting.STRICT: Limits(relative=2e-5, same_best=1.0),
    },
    "fp16": {
        Setting.DEFAULT: Limits(mean_cosine=0.9999, lowest_cosine=0.999, same_best=0.99, either=True),
        Setting.STRICT: Limits(mean_cosine=0.9999, lowest_cosine=0.9995, same_best=0.995),
    },
    "int8": {
        Setting.DEFAULT: Limits(mean_cosine=0.99, lowest_cosine=0.9, same_best=0.99, either=True),
        Setting.STRICT: Limits(mean_cosine=0.99, lowest_cosine=0.99, same_best=0.99),
    },
    "int8-exact": {
        Setting.DEFAULT: Limits(mean_cosine=0.999, lowest_cosine=0.99, same_best=0.99, either=True),
        Setting.STRICT: Limits(mean_cosine=0.999, lowest_cosine=0.999, same_best=0.995),
    },
    "int4": {
        Setting.DEFAULT: Limits(mean_cosine=0.97, lowest_cosine=0.85, same_best=0.97, either=True),
        Setting.STRICT: Limits(mean_cosine=0.98, lowest_cosine=0.95, same_best=0.98),
    },
}
"""Precision → setting → limits; the precisions of `naiad convert` are those of this table."""

IN_COMPANY = {"fp32": 1e-4, "fp16": 1e-4, "int8": 2e-2, "int8-exact": 2e-2, "int4": 2e-2}
"""How far an answer may move with its batch mates, as a part of the output's scale; rounding may fall either way."""


def limits_for(precision: str, setting: Setting, *, relative: float | None = None) -> Limits:
    """The row of the table; relative replaces its first column (transformer-deploy's --atol)."""
    limits = LIMITS[precision][setting]
    if relative is None:
        return limits
    return Limits(relative=relative, same_best=limits.same_best)


def objections(comparison: Comparison, limits: Limits) -> list[str]:
    """What is wrong with one output, each in a few words with the value and its limit; nothing if it may pass."""
    if not comparison.max_difference < float("inf"):
        return ["its shape differs from the reference's, or it holds values that are not finite"]
    far, other = list(_too_far(comparison, limits)), list(_other_answers(comparison, limits))
    if limits.either and comparison.same_best is not None and not (far and other):
        return []
    return [*far, *other]


def _too_far(comparison: Comparison, limits: Limits) -> Iterator[str]:
    if limits.relative is not None and comparison.relative > limits.relative:
        yield f"differs by {comparison.relative:.2g} of its scale, limit {limits.relative:.2g}"
    if limits.mean_cosine is not None and comparison.mean_cosine < limits.mean_cosine:
        yield f"mean cosine {comparison.mean_cosine:.5f}, limit {limits.mean_cosine}"
    if limits.lowest_cosine is not None and comparison.lowest_cosine < limits.lowest_cosine:
        yield f"lowest cosine {comparison.lowest_cosine:.5f}, limit {limits.lowest_cosine}"


def _other_answers(comparison: Comparison, limits: Limits) -> Iterator[str]:
    if limits.same_best is not None and comparison.same_best is not None and comparison.same_best < limits.same_best:
        yield f"{comparison.same_best:.1%} of the best answers are the same, limit {limits.same_best:.1%}"
