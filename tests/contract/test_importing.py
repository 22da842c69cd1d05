"""Importing any module changes nothing outside itself, and `import naiad` is light."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from source import read_package

PROBE = """
import json, logging, os, signal, sys, threading, warnings
import numpy

def state():
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    ours = [one for one in named if one.name.split(".")[0] == "naiad"]
    return {
        "environment": sorted(os.environ.items()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "log handlers": [f"{one.name}: {handler}" for one in [logging.root, *ours] for handler in one.handlers],
        "root log level": logging.root.level,
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "path": list(sys.path),
        "open files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "warning filters": len(warnings.filters),
        "folder": os.getcwd(),
    }

def changes(name):
    before = state()
    __import__(name)
    after = state()
    return [f"{what}: {before[what]} -> {after[what]}" for what in before if before[what] != after[what]]

print(json.dumps({name: changes(name) for name in sys.argv[1:]}))
"""

LIGHT = """
import json, sys
before = set(sys.modules)
import naiad
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))))
"""


def run_python(program: str, *arguments: str) -> Any:
    """The JSON that a fresh interpreter prints; anything on its stderr fails the test."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def changes_by_module() -> dict[str, list[str]]:
    """What importing each module changed; one interpreter imports them all, so each is seen at its first import."""
    found: dict[str, list[str]] = run_python(PROBE, *read_package())
    return found


def test_importing_has_no_effect(changes_by_module: dict[str, list[str]]) -> None:
    assert {name: changes for name, changes in changes_by_module.items() if changes} == {}


def test_import_naiad_is_light() -> None:
    """`import naiad` loads nothing but itself: numpy and httpx2 come with the first use of a client."""
    assert run_python(LIGHT) == ["naiad"]


def test_the_probe_can_fail(tmp_path: Any) -> None:
    (tmp_path / "loud.py").write_text("import os\nos.environ['LOUD'] = '1'\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{PROBE}"
    (change,) = run_python(program, "loud")["loud"]
    assert change.startswith("environment: ")


def test_a_server_of_no_checkpoints_imports_nothing_that_reads_them() -> None:
    """It is ready a third sooner."""
    program = """
import json, sys
import naiad.cli.serve
print(json.dumps(sorted(name for name in sys.modules if name.startswith(("naiad.tasks", "naiad.convert")))))
"""
    assert run_python(program) == []
