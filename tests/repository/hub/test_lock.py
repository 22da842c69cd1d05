from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.repository.hub.cache import HubFile
from naiad.repository.hub.choose import Selection
from naiad.repository.hub.lock import LockedSource, read_lock, write_lock

COMMIT, SHA = "ab" * 20, "cd" * 32


def source(name: str, **selection: object) -> LockedSource:
    files = (HubFile("config.json", 2, SHA), HubFile("model.safetensors", 3, SHA))
    return LockedSource(f"hf://org/{name}", COMMIT, Selection(**selection), files)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "naiad.lock"


def test_what_is_written_is_read(path: Path) -> None:
    one, two = source("one"), source("one", weights="onnx", allow=("a", "*.json"), ignore=("b",), allow_code=True)
    for each in (two, one):
        write_lock(path, each)
    assert read_lock(path) == {one.key: one, two.key: two}
    assert [entry.name for entry in path.parent.iterdir()] == ["naiad.lock"]


def test_the_order_of_writing_does_not_show(path: Path) -> None:
    for name in ("b", "a", "c"):
        write_lock(path, source(name))
    first = path.read_text()
    path.unlink()
    for name in ("c", "b", "a"):
        write_lock(path, source(name))
    assert path.read_text() == first


def test_the_same_again_leaves_the_file_alone(path: Path) -> None:
    write_lock(path, source("a"))
    before = path.stat().st_mtime_ns, path.stat().st_ino
    write_lock(path, source("a"))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_people_can_read_it(path: Path) -> None:
    write_lock(path, source("a"))
    text = path.read_text()
    assert text.startswith("# Written by naiad")
    assert f"- reference: hf://org/a\n  commit: {COMMIT}\n  files:\n    config.json: {{size: 2, sha256: {SHA}}}" in text


def test_a_commit_of_digits_stays_a_text(path: Path) -> None:
    """YAML would read 40 digits without quotes as a number."""
    digits = LockedSource("hf://org/a", "1" * 40, Selection(), (HubFile("x", 1, "2" * 64),))
    write_lock(path, digits)
    assert read_lock(path) == {digits.key: digits}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a mapping"),
        ("]", "expected"),
        ("version: 2\nsources: []", "this naiad reads version 1"),
        ("version: 1\nsource: []", "did you mean 'sources'?"),
        ("version: 1\nsources: [{reference: hf://a/b, commit: main, files: {}}]", "is not a commit"),
        (f"version: 1\nsources: [{{reference: hf://a/b, commit: {COMMIT}, files: {{}}}}]", "has no files"),
        (f"version: 1\nsources: [{{reference: hf://a/b, commit: {COMMIT}, files: {{x: {{size: 1, sha256: q}}}}}}]",
         "64 hexadecimal digits"),
        (f"version: 1\nsources: [{{reference: x, commit: {COMMIT}, files: {{../x: {{size: 1, sha256: {SHA}}}}}}}]",
         "must be relative and stay inside"),
    ],
)  # fmt: skip
def test_a_lock_that_cannot_be_used_says_why_and_what_to_do(text: str, words: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(InvalidConfiguration) as caught:
        read_lock(path)
    assert words in caught.value.message
    assert "naiad.lock" in caught.value.message
    assert "naiad pull" in caught.value.message
