"""`--reload`: a server in a process of its own, started again whenever a Python file of the program changes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

LOOK_S = 0.25
"""Between two looks at the files."""

KILL_AFTER_S = 10.0
"""How long a server that is to be started again may take to stop."""

_LEFT_OUT = ("__pycache__", "node_modules", "site-packages")

_log = logging.getLogger("naiad")

State = dict[Path, tuple[int, int]]


def look(folder: Path) -> State:
    """Time and size of each Python file, but not those in hidden folders and virtual environments."""
    found: State = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in _LEFT_OUT for part in parts):
            continue
        try:
            stat = path.stat()
        except OSError:  # it is being replaced
            continue
        found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


def changed(before: State, now: State) -> list[Path]:
    """Files that are new, gone or not as they were."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def run_reloading(arguments: Sequence[str], folder: Path) -> int:
    """Run `naiad` with these arguments, again after each change below the folder, until a signal; gives its status."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    dying = f"from naiad.core.machine.child import die_with; die_with({os.getpid()})"
    begin = f"{dying}; from naiad.cli.main import main; main()"
    command = [sys.executable, "-c", begin, *arguments]
    _log.info("watching %s; the server starts again when a Python file changes", folder)
    while True:
        state = look(folder)
        child = subprocess.Popen(command)  # noqa: S603 - our own words
        if not (files := _until_changed(state, folder, child, stop)):
            return _ended(child)
        _log.info("%s changed: starting again", ", ".join(path.name for path in files))
        _ended(child)


def _until_changed(state: State, folder: Path, child: subprocess.Popen[bytes], stop: threading.Event) -> list[Path]:
    """Wait for a change; none: it is to stop."""
    has_ended = False
    while not stop.wait(LOOK_S):
        if not has_ended and child.poll() is not None:
            has_ended = True
            _log.warning("the server ended with status %d; waiting for a file to change", child.returncode)
        if files := changed(state, look(folder)):
            return files
    return []


def _ended(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()
