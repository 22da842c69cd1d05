"""Poll mode: what is seen, and what follows from a difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from naiad.loading.sources import Sources
from naiad.loading.watching import Changes, Seen, decide_changes, look
from naiad.repository import ModelEntry, signature

A: Seen = (("/r/a", (("1/model.onnx", 1, 10, 7),)),)
A_NEWER: Seen = (("/r/a", (("1/model.onnx", 2, 10, 7),)),)
B: Seen = (("/r/b", ()),)


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({}, {}, Changes()),
        ({"a": A}, {"a": A}, Changes()),
        ({}, {"a": A}, Changes(load=("a",))),
        ({"a": A}, {"a": A_NEWER}, Changes(load=("a",))),
        ({"a": A}, {}, Changes(unload=("a",))),
        ({"a": A}, {"b": B}, Changes(load=("b",), unload=("a",))),
        ({"a": A}, {"a": A + B}, Changes(load=("a",))),
    ],
)
def test_what_follows_from_a_difference(before: dict[str, Seen], now: dict[str, Seen], changes: Changes) -> None:
    assert decide_changes(before, now) == changes


def test_every_kind_of_change_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "1" / "model.onnx"
    states = [signature(tmp_path)]

    def note() -> None:
        states.append(signature(tmp_path))

    file.parent.mkdir()
    note()
    file.write_text("one")
    note()
    file.write_text("longer")
    note()
    os.utime(file, ns=(1, 1))
    note()
    other = tmp_path / "other"
    other.write_text("longer")
    os.utime(other, ns=(1, 1))
    other.replace(file)
    note()
    file.unlink()
    file.parent.rmdir()
    note()
    assert len(set(states)) == len(states) - 1, "each step changes something; the last one leads back to the first"
    assert states[0] == states[-1] == ()


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".naiad").mkdir()
    (tmp_path / ".naiad" / "converted").write_text("")
    (tmp_path / ".config.pbtxt.swp").write_text("")
    assert signature(tmp_path) == ()


def test_a_link_in_a_circle_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    assert [row[0] for row in signature(tmp_path)] == ["again/", "file"]


def test_only_folders_are_watched(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.onnx").write_text("")
    sources = Sources([ModelEntry.from_source(str(tmp_path)), ModelEntry.from_source("hf://org/name")])
    seen = look(sources.survey())
    assert seen["name"] == (("hf://org/name", ()),)
    assert [(row[0], len(row[1])) for row in seen["one"]] == [(str(tmp_path / "one"), 2)]
