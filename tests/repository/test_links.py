"""Links inside a model's folder stay in it; those of a Hub's cache lead to the blobs of their own repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.links import check_inside
from naiad.repository.names import resolve_inside


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot in a Hub's cache, beside another repository and files that are none of its business."""
    for path in ("models--org--m/blobs/123", "models--org--other/blobs/456", "secret", "blobs/secret"):
        file = tmp_path / "hub" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    folder = tmp_path / "hub" / "models--org--m" / "snapshots" / "abc"
    (folder / "1_Pooling").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "target",
    [
        "../../../secret",
        "../../../blobs/secret",
        "../../../models--org--other/blobs/456",
        "../..",
        "../../blobs",
        "../../../missing",
    ],
)
def test_a_snapshot_reads_nothing_but_its_own_blobs(snapshot: Path, target: str) -> None:
    (snapshot / "config.json").symlink_to("../../blobs/123")
    (snapshot / "1_Pooling" / "config.json").symlink_to("../../../blobs/123")
    check_inside(snapshot)
    (snapshot / "labels.txt").symlink_to(target)
    with pytest.raises(InvalidConfiguration, match=r"labels\.txt is a link that leads out of its model's folder"):
        check_inside(snapshot)


def test_what_came_by_xet_lies_at_the_top_of_the_cache(snapshot: Path, tmp_path: Path) -> None:
    shared = tmp_path / "hub" / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir()
    shared.touch()
    (tmp_path / "hub" / "models--org--m" / "blobs" / "789").symlink_to(shared)
    (snapshot / "model.safetensors").symlink_to("../../blobs/789")
    check_inside(snapshot)
    elsewhere = tmp_path / "blobs" / "ab" / ("ab" * 32)
    elsewhere.parent.mkdir(parents=True)
    elsewhere.touch()
    (snapshot / "other").symlink_to(elsewhere)
    with pytest.raises(InvalidConfiguration, match="leads out"):
        check_inside(snapshot)


def test_a_link_to_a_snapshot_is_one(snapshot: Path, tmp_path: Path) -> None:
    (snapshot / "config.json").symlink_to("../../blobs/123")
    (tmp_path / "link").symlink_to(snapshot)
    check_inside(tmp_path / "link")


@pytest.mark.parametrize("loop", [["x"], ["y", "x"]])
def test_a_link_to_itself_is_refused_by_name(tmp_path: Path, loop: list[str]) -> None:
    for name, target in zip(loop, [*loop[1:], loop[0]], strict=True):
        (tmp_path / name).symlink_to(target)
    with pytest.raises(InvalidConfiguration, match="is a link that leads to itself"):
        check_inside(tmp_path)
    assert resolve_inside(tmp_path, loop[0]).name in loop


def test_what_may_never_end_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    with pytest.raises(InvalidConfiguration, match=r"README\.md is a pipe"):
        check_inside(tmp_path)
