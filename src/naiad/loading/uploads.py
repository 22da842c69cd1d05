"""Folders for what clients upload, all below one that this process alone has, and removes when it ends.

A process that is killed leaves it. It also lets go of the lock that it holds on its folder, which tells the next start
that nobody needs what lies there: also where process ids mean nothing, because containers share the place.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

PREFIX = "naiad-uploads-"

LOCK = ".lock"


def upload_folder() -> Path:
    """Make a new folder that only this user can read, below this process's own. Raises OSError."""
    return Path(tempfile.mkdtemp(dir=_own_folder()))


def clear_uploads() -> list[Path]:
    """Remove what processes of this user that are gone have left; gives the folders. Blocks."""
    cleared = []
    try:
        top = Path(tempfile.gettempdir())
    except FileNotFoundError:  # no place for temporary files, and so none of ours
        return []
    for folder in top.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where a process holds it
                shutil.rmtree(folder, ignore_errors=True)
                cleared.append(folder)
    return cleared


@cache
def _own_folder() -> Path:
    """This process's folder; a lock that is open for as long as the process lives says so."""
    folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    fcntl.flock(os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC), fcntl.LOCK_EX)
    visible = folder.with_name(folder.name[1:])
    folder.rename(visible)  # only now can others see it: nobody finds one that is not locked yet
    atexit.register(shutil.rmtree, visible, ignore_errors=True)
    return visible
