"""What clients have uploaded is this user's alone, and goes also when the server was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.loading import uploads
from naiad.loading.uploads import clear_uploads, upload_folder

UPLOADS = (
    "import sys\nfrom naiad.loading.uploads import upload_folder\n"
    "(upload_folder() / 'model.onnx').write_text('x')\nprint('ready', flush=True)\nsys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uploads._own_folder.cache_clear()
    yield tmp_path
    uploads._own_folder.cache_clear()


@pytest.fixture
def other(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has taken an upload."""
    environment = {**os.environ, "TMPDIR": str(place)}
    with subprocess.Popen(
        [sys.executable, "-c", UPLOADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_process_that_was_killed_leaves_them_to_the_next_start(other: subprocess.Popen[str], place: Path) -> None:
    (folder,) = place.iterdir()
    assert clear_uploads() == [], "it lives"
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert [path.name for path in folder.rglob("model.onnx")] == ["model.onnx"]
    assert clear_uploads() == [folder]
    assert list(place.iterdir()) == []


def test_a_process_that_ends_leaves_nothing(other: subprocess.Popen[str], place: Path) -> None:
    other.communicate()
    assert list(place.iterdir()) == []


def test_what_this_process_has_is_not_touched(place: Path) -> None:
    old = os.umask(0)
    try:
        folder = upload_folder()
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o077 == folder.parent.stat().st_mode & 0o077 == 0
    assert folder.parent == upload_folder().parent
    assert clear_uploads() == []
    assert folder.is_dir()


def test_links_and_folders_that_are_none_of_ours_stay(place: Path) -> None:
    (place / "naiad-uploads-link").symlink_to(place)
    (place / "naiad-uploads-empty").mkdir()
    assert clear_uploads() == []
    assert len(list(place.iterdir())) == 2
