"""Digests are worked out once for as long as a file stays the same, and for no longer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from naiad.core.machine import file_digests
from naiad.core.machine.file_digests import GIT_BLOB, SHA256, digest_of, digests_of, remember


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the tests are as old as they need to be."""
    monkeypatch.setattr(file_digests, "TICK_NS", -1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file whose content is read."""
    files: list[Path] = []
    kinds = {kind: _noting(files, work_out) for kind, work_out in file_digests.KINDS.items()}
    monkeypatch.setattr(file_digests, "KINDS", kinds)
    return files


def _noting(files: list[Path], work_out):  # type: ignore[no-untyped-def]
    def call(path: Path) -> str:
        files.append(path)
        return str(work_out(path))

    return call


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    assert [digest_of(path) for _ in range(3)] == [sha256(b"one")] * 3
    assert read == [path]


def test_other_bytes_of_the_same_size_are_seen_also_with_their_old_time(tmp_path: Path) -> None:
    """A program can set the time of the last change, and not the time at which the kernel saw one."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    digest_of(path)
    moment = path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=(moment, moment))
    assert digest_of(path) == sha256(b"two")


def test_another_file_in_its_place_is_another(tmp_path: Path) -> None:
    path, other = tmp_path / "weights", tmp_path / "other"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    digest_of(path)
    other.replace(path)
    assert digest_of(path) == sha256(b"two")


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path, read: list[Path]) -> None:
    path, link = tmp_path / "blob", tmp_path / "link"
    path.write_bytes(b"one")
    link.symlink_to(path)
    assert digest_of(link) == digest_of(path) == sha256(b"one")
    assert read == [path]


def test_kinds_are_kept_side_by_side(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    for _ in range(2):
        assert digest_of(path, GIT_BLOB) == "ce013625030ba8dba906f756967f9e9ca394464a"
        assert digest_of(path, SHA256) == sha256(b"hello\n")
    assert len(read) == 2


def test_anew_means_read(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    digest_of(path)
    digest_of(path, anew=True)
    assert len(read) == 2


def test_what_was_just_written_need_not_be_read_again(tmp_path: Path, read: list[Path]) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a").write_bytes(b"one")
    digests = digests_of(tmp_path / "made", ("a", "missing"), is_passing=True)
    (tmp_path / "made").rename(tmp_path / "placed")
    remember(tmp_path / "placed", digests)
    assert digests_of(tmp_path / "placed", ("a", "missing")) == {"a": sha256(b"one")}
    assert read == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"file": 1}', b'{"file": {"identity": null, "sha256": 7}}', b"[" * 9999]
)
def test_a_memory_that_makes_no_sense_is_no_memory(tmp_path: Path, cache: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(b"one")
    digest_of(tmp_path / "file")
    (table,) = (cache / file_digests.FOLDER).iterdir()
    table.write_bytes(content)
    assert digest_of(tmp_path / "file") == sha256(b"one")


def test_a_file_of_this_moment_is_not_remembered(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be changed at what counts as the same moment."""
    monkeypatch.setattr(file_digests, "TICK_NS", 10**18)
    (tmp_path / "file").write_bytes(b"one")
    digest_of(tmp_path / "file")
    remember(tmp_path, {"file": "of this moment"})
    (tmp_path / "file").write_bytes(b"two")
    assert digest_of(tmp_path / "file") == sha256(b"two")
    assert len(read) == 2


def test_without_a_cache_files_are_read_each_time(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"one")
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "file" / "no-folder"))
    assert [digest_of(tmp_path / "file") for _ in range(2)] == [sha256(b"one")] * 2
    assert len(read) == 2


def test_the_memory_is_this_users_alone(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    old = os.umask(0)
    try:
        digest_of(tmp_path / "file")
    finally:
        os.umask(old)
    folder = cache / file_digests.FOLDER
    assert [path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())] == [0, 0]
