"""Where Naiad keeps what it makes of models: a cache folder, or a temporary one where that cannot be written.

Who may read what is kept is decided here, too, whatever the process's umask is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_log = logging.getLogger("naiad.cache")


def default_cache() -> Path:
    """`$NAIAD_CACHE`, or `naiad` in the user's cache folder; the temporary one for a user without a home."""
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
    """A folder of this user alone among the temporary files; says once that it is in use.

    It has the same name each time, so that the next start finds what this one made; one of that name that others could
    write to is not touched.
    """
    folder = Path(tempfile.gettempdir()) / f"naiad-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
            folder = Path(tempfile.mkdtemp(prefix="naiad-"))
    except FileExistsError:
        folder = Path(tempfile.mkdtemp(prefix="naiad-"))
    _log.warning(
        "no cache folder can be written, so converted models are kept in %s, which may be gone at the next start. "
        "Set NAIAD_CACHE to a folder that lasts",
        folder,
    )
    return folder
