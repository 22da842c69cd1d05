"""Where things are kept: a cache, or a temporary folder that nobody else can write to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naiad.core.cache_folders import default_cache, is_writable, temporary_cache


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
