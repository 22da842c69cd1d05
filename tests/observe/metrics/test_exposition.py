"""Prometheus' text format, to the letter as Triton writes it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from naiad.observe.metrics.exposition import Family, number, write_page


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.0, "0"),
        (4.0, "4"),
        (25276514304.0, "25276514304"),
        (2**53, "9007199254740992"),
        (1e16, "1e+16"),
        (0.25, "0.25"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333333333"),
        (1e-5, "1e-05"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "Nan"),
    ],
)
def test_numbers_are_written_as_by_prometheus_cpp(value: float, expected: str) -> None:
    """That is C's %.16g."""
    assert number(value) == expected


def test_labels_are_sorted_and_the_one_of_the_line_comes_last() -> None:
    family = Family("m", "What it is", "histogram")
    family.add_histogram({"version": "1", "model": "a", "zone": "b"}, [(0.5, 1), (float("inf"), 3)], 2.5)
    assert write_page([family]).decode() == (
        "# HELP m What it is\n"
        "# TYPE m histogram\n"
        'm_count{model="a",version="1",zone="b"} 3\n'
        'm_sum{model="a",version="1",zone="b"} 2.5\n'
        'm_bucket{model="a",version="1",zone="b",le="0.5"} 1\n'
        'm_bucket{model="a",version="1",zone="b",le="+Inf"} 3\n'
    )


def test_no_label_can_forge_a_line() -> None:
    name = 'a"} 1\nforged{x="\\'
    family = Family("m", "two\nlines \\", "gauge")
    family.add({"model": name}, 1)
    (read,) = text_string_to_metric_families(write_page([family]).decode())
    (sample,) = read.samples
    assert (sample.labels, sample.value) == ({"model": name}, 1)
    assert read.documentation == "two\nlines \\"
