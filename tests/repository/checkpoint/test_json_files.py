"""JSON files of a checkpoint: whatever is in them, an error names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint import json_files
from naiad.repository.checkpoint.json_files import DEEPEST, read_json, read_object


def nested(levels: int, inner: str = "1") -> str:
    return "[" * levels + inner + "]" * levels


@pytest.mark.parametrize("value", [1, [], {}, {"a": [{"b": {}}]}, [[1, 2], {"a": "b"}, []]])
def test_a_value(tmp_path: Path, value: Any) -> None:
    (tmp_path / "f.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "f.json") == value


@pytest.mark.parametrize(
    "content", ["", "{", "[1,]", "{'a': 1}", "1" * 5000, nested(DEEPEST + 1), nested(100_000), nested(3000, '{"a":2}')]
)
def test_no_value(tmp_path: Path, content: str) -> None:
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(LoadFailed, match=r"f\.json (is not valid JSON|has more than 64 objects)"):
        read_json(tmp_path / "f.json")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(b'"\xff\xfe\xfd"')
    with pytest.raises(LoadFailed, match=r"f\.json is not valid JSON"):
        read_json(tmp_path / "f.json")


def test_half_a_surrogate_pair_is_no_text_and_a_whole_one_is(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(r'{"a": "\ud83d\ude00"}')
    assert read_json(tmp_path / "f.json") == {"a": "😀"}
    (tmp_path / "f.json").write_text(r'{"a": ["\ud800"]}')
    with pytest.raises(LoadFailed, match=r"f\.json has half a surrogate pair"):
        read_json(tmp_path / "f.json")


def test_as_deep_as_may_be(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(nested(DEEPEST))
    assert read_json(tmp_path / "f.json")


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "MOST_BYTES", 10)
    (tmp_path / "f.json").write_text('"' + "a" * 10 + '"')
    with pytest.raises(LoadFailed, match=r"f\.json has more than 10 bytes"):
        read_json(tmp_path / "f.json")


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "f.json").symlink_to("f.json")
    assert read_object(tmp_path / "f.json") == {}
    with pytest.raises(LoadFailed, match=r"cannot read .*f\.json"):
        read_object(tmp_path / "f.json", needed=True)
