"""The built-in inputs are what the gate promises; a user's file is read or refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from naiad.convert.gate.texts import TEXTS, long_text, read_texts
from naiad.core.errors import InvalidConfiguration


def test_at_least_32_texts_of_mixed_length_in_several_scripts() -> None:
    assert len(TEXTS) >= 32
    assert "" in TEXTS
    lengths = {len(text) for text in TEXTS}
    assert max(lengths) > 300
    assert sum(length < 30 for length in lengths) >= 4
    joined = "".join(TEXTS)
    for character in ("é", "С", "Η", "י", "ا", "द", "ก", "天", "東", "서", "🚀"):
        assert character in joined


def test_a_long_text_is_as_long_as_asked() -> None:
    assert len(long_text(100_000)) >= 100_000


def test_lines_and_objects(tmp_path: Path) -> None:
    lines, objects = tmp_path / "texts.txt", tmp_path / "texts.jsonl"
    lines.write_text("one\n\ntwo\n", encoding="utf-8")
    objects.write_text('{"text": "one"}\n{"text": "a", "text_pair": "b"}\n', encoding="utf-8")
    assert read_texts(lines) == (["one", "two"], [])
    assert read_texts(objects) == (["one"], [("a", "b")])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\n\n", "holds no texts"),
        ("a.txt", b"\xff\xfe", "cannot be read as UTF-8"),
        ("a.jsonl", b'{"text": "a"}\nnot json\n', "line 2"),
        ("a.jsonl", b'["text"]\n', "line 1"),
        ("a.jsonl", b'{"text": 3}\n', "line 1.*must be strings"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidConfiguration, match=message):
        read_texts(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="--data"):
        read_texts(tmp_path / "none.txt")
