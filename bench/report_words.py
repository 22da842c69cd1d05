"""What all parts of the table are made of: figures over the rounds, ratios with their aims, Markdown."""

from __future__ import annotations

from statistics import median

NAIAD = "Naiad"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, first column left, others right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def at(entry: dict, *path: str) -> float:
    """A value deep inside the figures of one round."""
    for step in path:
        entry = entry[step]
    return entry


def middle(rounds: list, *path: str) -> float:
    """The median of a value over the rounds."""
    return median(at(entry, *path) for entry in rounds)


def ratio(rounds: list, upper: tuple[str, ...], lower: tuple[str, ...]) -> float:
    """The median of the rounds' ratios of two values."""
    return median(at(entry, *upper) / at(entry, *lower) for entry in rounds)


def against(value: float, aim: float | None, *, at_most: bool = False) -> str:
    """A ratio with its aim: `2.31x (aim ≥ 2x: reached)`."""
    if aim is None:
        return f"{value:.2f}x"
    reached = value <= aim if at_most else value >= aim
    sign = "≤" if at_most else "≥"
    return f"{value:.2f}x (aim {sign} {aim:g}x: {'reached' if reached else '**missed**'})"
