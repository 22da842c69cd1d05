"""What clients are told leaves out where files lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from naiad.core.places import without_places

HERE = tempfile.gettempdir()


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (f"{HERE}/models/m/config.json: not JSON", "config.json: not JSON"),
        (f"there is no folder {HERE}/models/m", "there is no folder m"),
        (f"'{HERE}/a/b.onnx' and ({HERE}/c/d), too", "'b.onnx' and (d), too"),
        (f"it lies in {HERE}/models/", "it lies in …"),
        ("running Add node '/encoder/layer.0/Add' failed", "running Add node '/encoder/layer.0/Add' failed"),
        ("see https://example.org/tmp/a", "see https://example.org/tmp/a"),
        ("and/or, 1/2, a/tmp/b", "and/or, 1/2, a/tmp/b"),
    ],
)
def test_paths_of_this_machine_are_told_by_their_last_part(sentence: str, told: str) -> None:
    assert without_places(sentence) == told


def test_a_folder_with_spaces_does_not_tell_where_it_is(tmp_path: Path) -> None:
    assert str(tmp_path) not in without_places(f"{tmp_path}/my models/m is broken")
