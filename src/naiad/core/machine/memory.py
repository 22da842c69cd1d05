"""How much memory there is to use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = Path("/")


def available_memory(root: Path = _ROOT) -> int:
    """Bytes that this process may use: the least of the machine's, its control groups' and RLIMIT_AS.

    root: of the file system in which the system tells; another one for tests.
    """
    return min([_of_machine(), *_of_groups(root), *_of_address_space()])


def _of_machine() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not every system tells
        return sys.maxsize


def _of_address_space() -> list[int]:
    if sys.platform == "win32":
        return []
    import resource  # not on every system

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return [] if limit == resource.RLIM_INFINITY else [limit]


def _of_groups(root: Path) -> list[int]:
    """Limits of the control groups that the process is in, version 2 and 1, and of those around them."""
    found: list[int] = []
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += _limits(mount, path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(mount / "memory", path, "memory.limit_in_bytes")
    return found


def _limits(mount: Path, path: str, name: str) -> list[int]:
    """Limits from a group up to the root; a container often sees its own group as the root, whatever the path says."""
    group = mount / path.lstrip("/")
    folders = [group, *group.parents]
    texts = [_read(folder / name).strip() for folder in folders if folder.is_relative_to(mount)]
    return [int(text) for text in texts if text.isdigit() and int(text) > 0]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
