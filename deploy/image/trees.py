"""What the programs that fill the image share: a tree of files that comes out the same from every build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

PACKAGES = "usr/local/lib/python3.11/dist-packages"
"""Where Debian's Python looks for what Debian did not package."""


OF_THE_MACHINE = {"libcuda.so.1"}
"""Libraries that a container gets when it starts: NVIDIA's driver."""


def epoch() -> int:
    """The time that every file bears."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


def run(*command: str | Path, **settings: str) -> None:
    """Run a program; its failure is ours."""
    subprocess.run([str(word) for word in command], check=True, env={**os.environ, **settings})


def remove(root: Path, patterns: Iterable[str]) -> None:
    """Remove what the patterns name, each relative to the root. Ends the build where one names nothing."""
    idle = []
    for pattern in patterns:
        found = sorted(root.glob(pattern))
        if not found:
            idle.append(pattern)
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=not path.exists())
            else:
                path.unlink(missing_ok=True)
    if idle:
        sys.exit(f"contents.toml: nothing in the image is called {', '.join(idle)}; remove the lines")


def compile_all(root: Path, folder: str) -> None:
    """Write bytecode that is used without a look at its source: neither dates nor a read-only root matter to it."""
    for cached in sorted((root / folder).rglob("__pycache__")):
        shutil.rmtree(cached)
    # One process, one order: what Python writes depends on which strings it has met before.
    run(
        sys.executable, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash",
        "-s", root, "-p", "/", root / folder, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="",
    )  # fmt: skip


def settle(root: Path) -> None:
    """Give all files the same time, and rights that do not depend on the builder's umask."""
    for path in [root, *sorted(root.rglob("*"))]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            if not mode & 0o7000:
                path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
        os.utime(path, (epoch(), epoch()), follow_symlinks=False)


def check_links(root: Path) -> None:
    """End the build where a library or program links another that is not there."""
    present = {path.name for path in root.rglob("*.so*")} | OF_THE_MACHINE
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or not _is_elf(path):
            continue
        done = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            if "(NEEDED)" in line and (name := line.partition("[")[2].rstrip("]")) not in present:
                sys.exit(f"{path.relative_to(root)} links {name}, which is not in the image; see contents.toml")


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
