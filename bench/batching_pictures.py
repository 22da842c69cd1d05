"""Draws what batching gains, from measured figures, for docs/explanation/batching.md. Pure: data in, SVG out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from picture import GAP, MARGIN, OURS, PITCH, TEXT, THEIRS, WIDTH, Chart, draw_chart, frame, text_at, words_of
from report import best_policy
from report_words import NAIAD, middle

LEFT = 190
"""Where the figures begin; names stand before it."""
RIGHT = WIDTH - MARGIN
LANE, ROW = 66, 6
"""Heights: a line of runs, and one row of a batch."""
SHOWN_MS = 100
PLOT = 220
"""Height of the plot of latencies."""
LEAST_MS, MOST_MS = 5.0, 10_000.0
WORSE = "#cf7b3a"


def pictures(results: dict) -> dict[str, str]:
    """By name, those of the sections that were measured."""
    drawn = {}
    if "delay" in results:
        delay = results["delay"]
        drawn = {"closed": closed(delay), "runs": runs(delay["runs"]), "bursts": bursts(delay)}
    if "text" in results:
        drawn["lengths"] = lengths(results["text"])
    return drawn


def closed(delay: dict) -> str:
    """Answers a second at eight clients."""
    rounds = [one["closed"] for one in delay["rounds"]]
    bars = {name: middle(rounds, name, "8", "per_second") for name in rounds[0]}
    return _bars("8 clients that wait, 10 ms a batch of up to 8: answers a second", bars)


def lengths(text: dict) -> str:
    """Texts a second by what is known of their lengths."""
    rounds = text["fp32"]["rounds"]
    found = {
        "padded, as they come": ("bare", best_policy(rounds, "arrival order, 32")),
        "one by one": ("bare", best_policy(rounds, "one by one, two")),
        "Naiad, over HTTP": ("served", NAIAD, "per_second"),
        "all known before": ("bare", best_policy(rounds, "offline")),
    }
    bars = {name: middle(rounds, *path) for name, path in found.items()}
    return _bars("512 texts of 5 to 175 tokens, MiniLM fp32: texts a second", bars)


def _bars(title: str, bars: dict[str, float]) -> str:
    chart = Chart(title, bars)
    drawn = draw_chart(chart, MARGIN, MARGIN, WIDTH - 2 * MARGIN, LEFT)
    return frame(title, words_of(bars), drawn, MARGIN + chart.height + MARGIN)


def runs(ways: dict[str, list]) -> str:
    """Each run as a box, as long as it took and as high as it had rows."""
    drawn, top = [text_at(MARGIN, MARGIN + 14, "The runs of 100 ms: height and number are its rows", weight="bold")], 44
    scale = (RIGHT - LEFT) / (SHOWN_MS / 1000)
    for name, found in ways.items():
        drawn += _lane(name, found, top + LANE, scale)
        top += LANE + GAP
    drawn += _times(top, scale)
    words = "; ".join(f"{name}: {', '.join(str(rows) for _, _, rows in found)} rows" for name, found in ways.items())
    return frame("Runs of a model that takes 10 ms for any batch, with 8 clients", words, drawn, top + 2 * PITCH)


def _lane(name: str, found: list, bottom: float, scale: float) -> Iterator[str]:
    colour = OURS if name == NAIAD else THEIRS
    yield text_at(LEFT - 12, bottom - 8, name, anchor="end")
    yield f'<line x1="{LEFT}" y1="{bottom}" x2="{RIGHT}" y2="{bottom}" stroke="{TEXT}" stroke-width="0.5"/>'
    for begin_s, end_s, rows in found:
        x, width = LEFT + begin_s * scale, (min(end_s, SHOWN_MS / 1000) - begin_s) * scale
        yield (f'<rect x="{x:.1f}" y="{bottom - rows * ROW}" width="{max(width - 1, 1):.1f}" height="{rows * ROW}" '
               f'rx="2" fill="{colour}"/>')  # fmt: skip
        yield text_at(x + width / 2, bottom - rows * ROW - 4, str(rows), anchor="middle")


def _times(y: float, scale: float) -> Iterator[str]:
    for at_ms in range(0, SHOWN_MS + 1, 20):
        yield text_at(LEFT + at_ms / 1000 * scale, y + 8, f"{at_ms} ms", anchor="middle")


def bursts(delay: dict) -> str:
    """How long the requests of each burst took, the median of each, on a logarithmic scale."""
    lines = {name: _by_burst(found) for name, found in delay["bursts"].items()}
    end_s = max(at for line in lines.values() for at, _ in line)
    top, drawn = (
        44,
        [text_at(MARGIN, MARGIN + 14, "50 requests every 100 ms: latency of each burst's median", weight="bold")],
    )
    for tick in (10, 100, 1000, 10_000):
        y = _height(tick, top)
        drawn.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="{TEXT}" stroke-width="0.3"/>')
        drawn.append(text_at(LEFT - 12, y + 4, f"{tick / 1000:g} s" if tick >= 1000 else f"{tick} ms", anchor="end"))
    colours = {NAIAD: OURS, "Naiad, one by one": WORSE}
    for row, (name, line) in enumerate(lines.items()):
        points = " ".join(
            f"{LEFT + at / end_s * (RIGHT - LEFT):.1f},{_height(took * 1000, top):.1f}" for at, took in line
        )
        colour = colours.get(name, THEIRS)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        y = top + PLOT + 30 + row * PITCH
        drawn.append(f'<rect x="{LEFT}" y="{y - 9}" width="24" height="4" fill="{colour}"/>')
        drawn.append(text_at(LEFT + 34, y, f"{name}: {median(took for _, took in line) * 1000:,.0f} ms in the middle"))
    drawn.append(text_at(RIGHT, top + PLOT + 14, f"{end_s:.1f} s", anchor="end"))
    drawn.append(text_at(LEFT, top + PLOT + 14, "0 s"))
    words = "; ".join(
        f"{name}: from {line[0][1] * 1000:.0f} to {line[-1][1] * 1000:.0f} ms" for name, line in lines.items()
    )
    return frame("Latency of bursts over time", words, drawn, top + PLOT + 30 + len(lines) * PITCH)


def _by_burst(found: list) -> list[tuple[float, float]]:
    """When each burst was sent, and the median of its latencies, both in seconds."""
    took: dict[float, list[float]] = {}
    for sent_s, took_s in found:
        took.setdefault(sent_s, []).append(took_s)
    return [(at, median(latencies)) for at, latencies in sorted(took.items())]


def _height(milliseconds: float, top: float) -> float:
    share = math.log(max(milliseconds, LEAST_MS) / LEAST_MS) / math.log(MOST_MS / LEAST_MS)
    return top + PLOT * (1 - min(share, 1.0))
