"""How much memory a process may use: the least of what the machine, its control groups and RLIMIT_AS allow."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from naiad.core.machine.memory import available_memory

GB = 2**30
EVERYTHING = available_memory(Path("/nowhere"))


def tell(root: Path, groups: str, files: dict[str, str]) -> int:
    """What is available where the system tells this."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return available_memory(root)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/memory.max": f"{GB}\n"}, GB),
        ("0::/a/b\n", {"sys/fs/cgroup/a/memory.max": f"{GB}\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, GB),
        ("0::/seen/from/outside\n", {"sys/fs/cgroup/memory.max": f"{GB}\n"}, GB),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max\n"}, EVERYTHING),
        ("4:cpu:/x\n9:memory:/x\n", {"sys/fs/cgroup/memory/x/memory.limit_in_bytes": f"{GB}\n"}, GB),
        ("9:memory:/x\n", {"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, EVERYTHING),
        ("", {}, EVERYTHING),
    ],
    ids=["version 2", "a group around it", "a container", "no limit", "version 1", "version 1 without", "no groups"],
)
def test_control_groups(tmp_path: Path, groups: str, files: dict[str, str], expected: int) -> None:
    assert tell(tmp_path, groups, files) == expected


def test_the_address_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (GB, GB))
    assert available_memory(tmp_path) == GB
