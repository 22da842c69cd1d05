"""The README's picture: drawn from the figures, well-formed, Naiad first."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from picture import COLUMNS, LABELS, MARGIN, NUMBERS, Chart, charts, picture
from report import markdown

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "latest.json"
BOLD_LETTER = 7.6
"""Width of a letter of bold text on average, as browsers draw it."""
LAST = json.loads(RESULTS.read_text())


def test_the_picture_and_the_table_are_those_of_the_last_results() -> None:
    """After a change to either: .venv/bin/python bench/run.py --redraw."""
    assert RESULTS.with_suffix(".svg").read_text() == picture(LAST)
    assert RESULTS.with_suffix(".md").read_text() == markdown(LAST)


def test_naiad_comes_first_and_the_others_by_their_speed() -> None:
    rates = [{"A": 90.0, "Naiad": 100.0, "B": 300.0}, {"A": 110.0, "Naiad": 200.0, "B": 500.0}]
    rounds = [{"served": {name: {"per_second": rate} for name, rate in one.items()}} for one in rates]
    (chart,) = charts({"text": {"fp32": {"rounds": rounds}}})
    assert chart == Chart("Embed texts, MiniLM fp32, 32 clients", {"Naiad": 150.0, "B": 400.0, "A": 100.0})
    assert list(chart.bars) == ["Naiad", "B", "A"]


@pytest.mark.parametrize("sections", [[], ["text"], ["simple", "protocol"], ["footprint"]])
def test_only_what_was_measured_is_drawn(sections: list[str]) -> None:
    drawn = ET.fromstring(picture({"machine": LAST["machine"], **{name: LAST[name] for name in sections}}))  # noqa: S314 - our own
    words = "".join(drawn.itertext())
    assert ("Embed texts" in words, "HTTP JSON" in words) == ("text" in sections, "simple" in sections)


def test_everything_lies_inside_the_picture() -> None:
    drawn = ET.fromstring(picture(LAST))  # noqa: S314 - our own
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == sum(len(chart.bars) for chart in charts(LAST))
    assert all(float(bar.attrib["x"]) + float(bar.attrib["width"]) + NUMBERS <= width for bar in bars)
    assert all(len(chart.title) * BOLD_LETTER <= width / COLUMNS - MARGIN for chart in charts(LAST))
    assert all(len(name) * BOLD_LETTER <= LABELS for chart in charts(LAST) for name in chart.bars)
    assert all(float(bar.attrib["y"]) + float(bar.attrib["height"]) <= height for bar in bars)
