"""Where Naiad keeps what it makes of models: a cache folder, or a temporary one where that cannot be written."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
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
