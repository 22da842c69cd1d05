"""Where Naiad keeps what it makes of models: a cache folder, or a temporary one where that cannot be written.

Who may read what is kept is decided here, too, whatever the process's umask is.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
"""Where Linux has a file system in memory."""

_log = logging.getLogger("naiad.cache")

_IN_USE: dict[Path, Callable[[], object]] = {}
"""Folder → what removes it."""


def default_cache() -> Path:
    """`$NAIAD_CACHE`, or `naiad` in the user's cache folder; the temporary one for a user without a home.

    Raises OSError where there is none of these.
    """
    chosen = os.environ.get("NAIAD_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naiad"
    except RuntimeError:  # a random user id, as some clusters have it, and no HOME
        return temporary_cache()


def is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made with all that is missing above it."""
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return False


def private_folder(folder: Path) -> Path:
    """Make a folder that this user alone can read, and what is missing above it; one that exists becomes so.

    Raises OSError where it cannot be made; one that belongs to somebody else stays as it is.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    close_to_others(folder)
    return folder


def close_to_others(path: Path) -> None:
    """Take the rights of everybody but its user from a file or a folder, if it is ours to do so."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            path.chmod(mode & ~0o077)


def set_readers(folder: Path, *, is_private: bool) -> None:
    """Let this user alone read a folder and what lies in it, or everybody, whatever the process's umask says."""
    for path in (folder, *folder.iterdir()):
        mode = 0o755 if path.is_dir() else 0o644
        path.chmod(mode & ~0o077 if is_private else mode)


def is_open_to_all(paths: Iterable[Path]) -> bool:
    """Whether every user of this machine can read these files: they and all folders on the way to them say so."""
    files = [Path(os.path.realpath(path)) for path in paths]
    folders = {folder for file in files for folder in file.parents}
    try:
        readable = all(file.stat().st_mode & stat.S_IROTH for file in files)
        return bool(files) and readable and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
    except OSError:
        return False


@cache
def temporary_cache() -> Path:
    """See `temporary_folder`; says once that it is in use."""
    folder = temporary_folder()
    _log.warning(
        "no cache folder can be written, so converted models are kept in %s, which is removed at exit. "
        "Set NAIAD_CACHE to a folder that lasts",
        folder,
    )
    return folder


def temporary_folder() -> Path:
    """A folder of this user alone among the temporary files, or in memory where those cannot be written.

    It has the same name in all processes of the user, so that they share what is in it; the last one to end removes it.
    One of that name that others could write to is not touched. Raises OSError where there is no such place.
    """
    try:
        top = tempfile.gettempdir()
    except FileNotFoundError:  # a read-only root, and nothing writable in it
        return memory_folder()
    try:
        return _folder_in(top)
    except OSError:
        return memory_folder()


@cache
def memory_folder() -> Path:
    """A folder of this process alone in the machine's memory, removed at exit. Raises OSError where there is none."""
    return _of_this_process(MEMORY)


def have_temporary_files(find: Callable[[], Path] | None = None) -> None:
    """Have a place for temporary files where there is none: this process and its children.

    find: gives a folder, or raises OSError; default: one in memory. For a program's start: where a root is read-only,
    Python has no temporary folder, and whatever asks for one fails.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            tempfile.tempdir = os.environ["TMPDIR"] = str((find or memory_folder)())


def folders_in_use() -> tuple[Path, ...]:
    """The temporary folders that this process has asked for."""
    return tuple(_IN_USE)


@cache
def _folder_in(top: str) -> Path:
    folder = Path(top) / f"naiad-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        return _of_this_process(top)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        return _of_this_process(top)
    lock = os.open(folder / ".in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    _use(folder, partial(_remove_unless_shared, folder, lock))
    return folder


def _of_this_process(top: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="naiad-", dir=top))
    _use(folder, partial(shutil.rmtree, folder, ignore_errors=True))
    return folder


def _use(folder: Path, remove: Callable[[], object]) -> None:
    if not _IN_USE:
        atexit.register(remove_temporary_folders)
    _IN_USE[folder] = remove


def remove_temporary_folders() -> None:
    """Remove what is removed at exit; for a process that ends without Python's own end. Others' stays."""
    while _IN_USE:
        _, remove = _IN_USE.popitem()
        remove()


def _remove_unless_shared(folder: Path, lock: int) -> None:
    """Remove a folder if no other process uses it."""
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
