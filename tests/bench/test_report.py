"""The table: medians over rounds, ratios within a round, aims met or missed."""

from __future__ import annotations

import pytest

from bare import packs
from report import against, apart, markdown, middle, ratio, table
from texts import make_texts


def test_a_ratio_is_taken_within_each_round() -> None:
    """A round in which the machine was half as fast changes the rates and not the ratio."""
    rounds = [{"a": {"x": 400.0}, "b": {"x": 200.0}}, {"a": {"x": 100.0}, "b": {"x": 50.0}},
              {"a": {"x": 400.0}, "b": {"x": 199.0}}]  # fmt: skip
    assert ratio(rounds, ("a", "x"), ("b", "x")) == 2.0
    assert middle(rounds, "b", "x") == 199.0


@pytest.mark.parametrize(
    ("value", "at_most", "expected"),
    [
        (2.31, False, "2.31x (aim ≥ 2x: reached)"),
        (1.99, False, "1.99x (aim ≥ 2x: **missed**)"),
        (1.99, True, "1.99x (aim ≤ 2x: reached)"),
        (2.31, True, "2.31x (aim ≤ 2x: **missed**)"),
    ],
)
def test_an_aim_is_reached_or_missed(value: float, at_most: bool, expected: str) -> None:
    assert against(value, 2.0, at_most=at_most) == expected


def test_a_table_is_markdown() -> None:
    assert table(["", "rate"], [["a", "1"]]) == "|  | rate |\n|---|---:|\n| a | 1 |"


def test_packs_hold_what_fits_and_lose_nothing() -> None:
    assert packs([0, 1, 2, 3, 4], [300, 60, 60, 30, 100], 128) == [[0], [1, 2], [3], [4]]
    assert packs([1, 3], [300, 60, 60, 30, 100], 128) == [[1, 3]]


def test_the_texts_are_the_same_everywhere() -> None:
    texts = make_texts()
    assert len(texts) == 512
    assert texts == make_texts()
    assert texts[0] == "Time challenge notice senate copper pony swallow diagram."


def test_a_section_measured_apart_says_so_below_its_table() -> None:
    versions = {"naiad": "0.1.0", "numpy": "2.4"}
    machine = {"processor": "A", "cores": 2, "memory_gb": 8, "system": "Linux", "commit": "1234567", "date": "today",
               "python": "3.11", "versions": versions, "peers": {}, "load_average": 0.1}  # fmt: skip
    rounds = [{"local cache": {}, "run inline": {}}]
    note = apart({**machine, "commit": "7654321", "date": "yesterday"}, 5)
    page = markdown({"machine": machine, "rounds": 3, "caching": {"rounds": rounds}, "notes": {"caching": [note]}})
    place = "Naiad 0.1.0 at 7654321, yesterday, on A, 2 cores, 8 GB, Linux."
    assert note == f"Measured apart from the others, in 5 rounds: {place}"
    assert page.startswith("Naiad 0.1.0 at 1234567, today, on A, 2 cores, 8 GB, Linux.")
    assert page.endswith(note + "\n")
