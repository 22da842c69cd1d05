"""Where things are kept: a cache, or a temporary folder that nobody else can write to."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naiad.core.machine import cache_folders
from naiad.core.machine.cache_folders import default_cache, is_writable, temporary_cache, temporary_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    temporary_cache.cache_clear()
    yield folder
    temporary_cache.cache_clear()


def test_the_variable_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("NAIAD_CACHE", raising=False)
    assert default_cache() == tmp_path / "xdg" / "naiad"
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"


def test_a_user_without_a_home(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NAIAD_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    assert default_cache().parent == temporary


def test_the_same_folder_at_the_next_start(temporary: Path) -> None:
    first = temporary_cache()
    temporary_cache.cache_clear()
    assert first == temporary_cache() == temporary / f"naiad-{os.getuid()}"
    assert first.stat().st_mode & 0o777 == 0o700


def _as_a_file(folder: Path) -> None:
    folder.touch()


def _as_a_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def _open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("occupy", [_as_a_file, _as_a_link, _open_to_all])
def test_a_folder_that_somebody_else_put_there(occupy: Callable[[Path], None], temporary: Path) -> None:
    taken = temporary / f"naiad-{os.getuid()}"
    occupy(taken)
    found = temporary_cache()
    assert found != taken
    assert found.stat().st_mode & 0o777 == 0o700


def test_what_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_writable(tmp_path)
    assert is_writable(tmp_path / "not" / "yet")
    assert not is_writable(tmp_path / "file")
    assert not is_writable(tmp_path / "file" / "below")


USE = """
import naiad.core.machine.cache_folders as c
(c.temporary_folder() / "kept").touch()
print(c.temporary_folder(), flush=True)
input()
"""


def test_the_last_process_removes_the_folder(temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", USE]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(temporary / f"naiad-{os.getuid()}")
        return process

    first, second = start(), start()
    first.communicate("\n", timeout=60)
    assert (temporary / f"naiad-{os.getuid()}" / "kept").exists(), "the second still uses it"
    second.communicate("\n", timeout=60)
    assert list(temporary.iterdir()) == []


def test_memory_where_there_is_no_place_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(cache_folders, "MEMORY", str(tmp_path))
    monkeypatch.setattr(tempfile, "gettempdir", fail)
    cache_folders.memory_folder.cache_clear()
    try:
        found = temporary_folder()
        assert found.parent == tmp_path
        assert found.stat().st_mode & 0o777 == 0o700
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.delenv("TMPDIR", raising=False)
        cache_folders.have_temporary_files()
        assert tempfile.tempdir == os.environ["TMPDIR"] == str(found)
    finally:
        cache_folders.memory_folder.cache_clear()
        os.environ.pop("TMPDIR", None)
