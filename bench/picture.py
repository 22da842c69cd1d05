"""Draws the last results as an SVG for the README. Pure: data in, text out, no plotting library.

Its colours are readable on light and on dark pages alike, and its background is whatever lies behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from report_words import NAIAD, middle

WIDTH, MARGIN, COLUMNS = 760, 16, 2
PITCH, BAR, HEADING, GAP = 22, 14, 30, 22
"""Heights: one row, its bar, a chart's title, and the space below a chart."""
LABELS, NUMBERS = 152, 62
"""Widths: the names to the left of the bars, and the figures to the right of them."""
OURS, THEIRS, TEXT = "#1a9988", "#8b949e", "#6e7781"
FONT = 'font-family="-apple-system, \'Segoe UI\', Helvetica, Arial, sans-serif" font-size="13"'


class Chart(NamedTuple):
    """Bars under a title: name → requests a second."""

    title: str
    bars: dict[str, float]

    @property
    def height(self) -> int:
        """Its height, without the space below."""
        return HEADING + PITCH * len(self.bars)


def picture(results: dict) -> str:
    """The charts of what was measured, as SVG: Naiad first, then the others, fastest first."""
    drawn, bottom = [], MARGIN
    found = list(charts(results))
    column = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS
    for at in range(0, len(found), COLUMNS):
        row = found[at : at + COLUMNS]
        for place, chart in enumerate(row):
            drawn += draw_chart(chart, MARGIN + place * (column + MARGIN), bottom, column)
        bottom += max(chart.height for chart in row) + GAP
    machine = results["machine"]
    drawn += [
        text_at(MARGIN, bottom, "Requests a second: longer is better."),
        text_at(MARGIN, bottom + PITCH, f"Naiad {machine['versions']['naiad']} at {machine['commit']}, "
              f"{machine['date'][:10]}; {machine['processor']}, {machine['cores']} cores"),
    ]  # fmt: skip
    words = "; ".join(f"{chart.title}: {words_of(chart.bars)}" for chart in found)
    return frame("Naiad and other servers, in requests a second", words, drawn, bottom + PITCH + MARGIN)


def frame(title: str, words: str, drawn: Iterable[str], height: float) -> str:
    """The whole file. words: what the picture shows, for those who do not see it."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {FONT} fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(words)}</desc>",
        *drawn,
        "</svg>\n",
    ])  # fmt: skip


def charts(results: dict) -> Iterator[Chart]:
    """What is worth a picture, of the sections that were measured."""
    for job, measured in results.get("text", {}).items():
        names = measured["rounds"][0]["served"]
        bars = {name: middle(measured["rounds"], "served", name, "per_second") for name in names}
        yield Chart(f"Embed texts, MiniLM {job}, 32 clients", _ordered(bars))
    if "simple" in results:
        rounds = results["simple"]["rounds"]
        c = list(rounds[0][NAIAD])[-1]
        bars = {name.partition(".")[0]: middle(rounds, name, c, "per_second") for name in rounds[0]}
        yield Chart(f"Add two small tensors, HTTP JSON, {c} clients", _ordered(bars))
    if "simple" in results.get("protocol", {}).get("rounds", [{}])[0]:
        rounds = results["protocol"]["rounds"]
        ways = rounds[0]["simple"]
        c = list(next(iter(ways.values()))[NAIAD])[-1]
        bars = {f"{name}, {way}": middle(rounds, "simple", way, name, c, "per_second")
                for way in ("gRPC", "HTTP binary") for name in ways[way]}  # fmt: skip
        yield Chart(f"The same by perf_analyzer, {c} clients", bars)


def _ordered(bars: dict[str, float]) -> dict[str, float]:
    return dict(sorted(bars.items(), key=lambda bar: (bar[0] != NAIAD, -bar[1])))


def draw_chart(chart: Chart, left: float, top: float, width: float, labels: float = LABELS) -> Iterator[str]:
    """The bars of one chart. labels: width of the names."""
    yield text_at(left, top + 14, chart.title, weight="bold")
    scale = (width - labels - NUMBERS) / max(chart.bars.values())
    for row, (name, rate) in enumerate(chart.bars.items()):
        y = top + HEADING + row * PITCH
        is_ours = name.startswith(NAIAD)
        weight = "bold" if is_ours else "normal"
        long = max(rate * scale, 1)
        yield text_at(left + labels - 8, y + BAR - 2, name, anchor="end", weight=weight)
        yield (f'<rect x="{left + labels:.0f}" y="{y}" width="{long:.1f}" height="{BAR}" rx="2" '
               f'fill="{OURS if is_ours else THEIRS}"/>')  # fmt: skip
        yield text_at(left + labels + long + 6, y + BAR - 2, f"{rate:,.0f}", weight=weight)


def text_at(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    """Words at a place."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'


def words_of(bars: dict[str, float]) -> str:
    """The bars in words."""
    return ", ".join(f"{name} {rate:,.0f}/s" for name, rate in bars.items())
