"""Folders of environments that are kept: made once, by one process at a time, and whole or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from naiad.core.machine.cache_folders import default_cache, private_folder

FOLDER = "python-environments"


def kept(what: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of an environment, made if it is not there.

    what: everything that it depends on. make: fills an empty folder, whose name is final, because programs in it may
    hold that. Raises what `make` raises, and OSError.
    """
    home = private_folder(default_cache() / FOLDER)
    place = home / hashlib.sha256(what.encode()).hexdigest()[:32]
    whole = home / f"{place.name}.whole"
    if whole.exists():
        return place
    with (home / f"{place.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if whole.exists():
            return place
        shutil.rmtree(place, ignore_errors=True)  # of a process that was ended
        place.mkdir(mode=0o700)
        try:
            make(place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        whole.touch()
    return place
