"""The part of the table about web applications; see `sections/applications.py`. Pure: data in, text out."""

from __future__ import annotations

from report_words import against, middle, ratio, table

OURS, SEED = "Naiad, the same application", "Flask + Waitress, 4 threads"

AIM_MS = 100.0
"""Before the next burst, so that none waits for the one before."""


def applications(data: dict) -> str:
    """A row for each contender."""
    rounds = data["rounds"]
    rows = [
        [name, *(f"{middle(rounds, name, key):,.1f} ms" for key in ("p50_ms", "p99_ms", "last_ms"))]
        for name in sorted(rounds[0])
    ][::-1]
    compared = ratio(rounds, (OURS, "p50_ms"), (SEED, "p50_ms"))
    words = (
        f"p50, Naiad / Waitress with its four threads: {against(compared, 0.1, at_most=True)}. Who keeps up stays "
        f"below {AIM_MS:.0f} ms in the last burst."
    )
    title = "## A Flask application: a model that takes 10 ms a run, 50 requests every 100 ms"
    return "\n\n".join([title, table(["", "p50", "p99", "last burst"], rows), words])
