"""The pictures and the table of the batcher: drawn from the figures, well-formed, and inside their frames."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from batching_pictures import LEFT, RIGHT, pictures
from report import markdown
from report_batcher import delay, scheduler
from sections.delay import RUNS_AFTER_S, runs_of

FOLDER = Path(__file__).parents[2] / "bench" / "results"
LAST = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("latest", "batching")}
DRAWN = [(name, kind, drawn) for name, results in LAST.items() for kind, drawn in pictures(results).items()]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("name", "kind", "drawn"), DRAWN, ids=[f"{name}-{kind}" for name, kind, _ in DRAWN])
def test_each_is_that_of_the_last_results_and_inside_its_frame(name: str, kind: str, drawn: str) -> None:
    """After a change: .venv/bin/python bench/run.py --redraw --results NAME."""
    assert (FOLDER / f"{name}-{kind}.svg").read_text() == drawn
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter(f"{SVG}rect"):
        at, long = float(box.attrib["x"]), float(box.attrib["width"])
        assert at >= LEFT, box.attrib
        assert at + long <= width, box.attrib
        assert 0 <= float(box.attrib["y"]) <= height - float(box.attrib["height"]), box.attrib
    for words in root.iter(f"{SVG}text"):
        assert float(words.attrib["y"]) < height
    assert all(text.text for text in (root.find(f"{SVG}title"), root.find(f"{SVG}desc")) if text is not None)


def test_all_are_drawn() -> None:
    assert {(name, kind) for name, kind, _ in DRAWN} == {
        ("latest", "lengths"), ("batching", "closed"), ("batching", "runs"), ("batching", "bursts"),
    }  # fmt: skip


def test_the_table_is_that_of_the_last_results() -> None:
    assert (FOLDER / "batching.md").read_text() == markdown(LAST["batching"])


def test_lines_of_latency_stay_in_the_plot() -> None:
    drawn = pictures(LAST["batching"])["bursts"]
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    points = [tuple(map(float, point.split(","))) for line in root.iter(f"{SVG}polyline")
              for point in line.attrib["points"].split()]  # fmt: skip
    assert len(points) > 30
    assert all(LEFT <= x <= RIGHT and 40 <= y <= 270 for x, y in points)


def test_runs_are_read_from_a_trace() -> None:
    """Requests that began together ran together; the tenth of a second with the median of rows is taken."""
    trace: list[dict[str, object]] = [{"id": 1, "model_name": "m"}]
    number, step = 0, 20_000_000
    for run in range(60):
        for _ in range(8 if run % 2 else 3):
            number += 1
            begun = 10**12 + run * step
            for name, at in (("COMPUTE_START", begun), ("COMPUTE_END", begun + 10_000_000)):
                trace.append({"id": number, "timestamps": [{"name": name, "ns": at}]})
    runs = runs_of(trace)
    assert [rows for _, _, rows in runs] in ([8, 3, 8, 3, 8], [3, 8, 3, 8, 3])
    assert [round(end - begin, 6) for begin, end, _ in runs] == [0.01] * 5
    assert runs[0][0] == 0.0
    assert 60 * step / 1e9 > RUNS_AFTER_S + 0.1, "or there would be no window"


def test_aims_that_are_missed_are_said_so() -> None:
    figures = {"per_second": 100.0, "p50_ms": 1.0, "p99_ms": 2.0}
    slow = {"per_second": 50.0, "p50_ms": 1.0, "p99_ms": 2.0}
    closed = {"Naiad": dict.fromkeys(("1", "8"), slow), "Naiad, waiting for nobody": dict.fromkeys(("1", "8"), figures),
              "Triton, 5 ms of delay": dict.fromkeys(("1", "8"), figures)}  # fmt: skip
    opened = {
        name: {"p50_ms": 1.0, "p99_ms": p99, "last_ms": 3.0} for name, p99 in (("Naiad", 9), ("Triton, default", 3))
    }
    words = delay({"rounds": [{"closed": closed, "open": opened}]})
    assert words.count("**missed**") == 3
    assert "0.50x (aim ≥ 0.9x: **missed**)" in words
    assert "p99, Naiad / Triton: 3.00x (aim ≤ 1x: **missed**)" in words
    alone = {"seconds": {"100": 2e-5, "100000": 4e-5}, "bytes": 3000, "threaded_s": 1e-5}
    rounds = [{"one": {"per_second": 10.0}, "many": {"per_second": 5.0}}]
    assert scheduler({"alone": alone, "rounds": rounds}).count("**missed**") == 4
