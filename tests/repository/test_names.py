from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository import check_model_name, check_relative_path, resolve_inside


@pytest.mark.parametrize("name", ["simple", "all-MiniLM-L6-v2", "a b", "ü", "model.v1", "..."])
def test_names_that_may_be(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", ".", "a\\b", "a\nb", "a\0b", "x" * 256])
def test_names_that_may_not(name: str) -> None:
    with pytest.raises(InvalidConfiguration):
        check_model_name(name)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a\\..\\x", "a\0b"])
def test_paths_that_may_leave(path: str) -> None:
    with pytest.raises(InvalidConfiguration):
        check_relative_path(path)


def test_links_may_lead_inside_and_to_the_named_places_only(tmp_path: Path) -> None:
    folder, blobs, other = tmp_path / "model", tmp_path / "blobs", tmp_path / "other"
    for place in (folder, blobs, other):
        place.mkdir()
        (place / "file").touch()
    (folder / "inner").symlink_to(folder / "file")
    (folder / "blob").symlink_to(blobs / "file")
    (folder / "away").symlink_to(other / "file")
    assert resolve_inside(folder, "inner") == (folder / "file").resolve()
    assert resolve_inside(folder, "blob", blobs) == (blobs / "file").resolve()
    with pytest.raises(InvalidConfiguration, match="leads out"):
        resolve_inside(folder, "blob")
    with pytest.raises(InvalidConfiguration, match="leads out"):
        resolve_inside(folder, "away", blobs)
