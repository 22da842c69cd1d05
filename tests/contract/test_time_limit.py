"""A test that hangs or crashes is named, and holds up no other, wherever it hangs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HANGING = {
    "teardown": """
@pytest.fixture
def gate():
    yield
    threading.Event().wait()

def test_hangs(gate):
    raise AssertionError("and then its teardown waits for ever")
""",
    "keeps the interpreter": r"""
def test_hangs():
    re.match("(a|a)*b", "a" * 64)
""",
    "crashes": """
def test_hangs():
    os.abort()
""",
}


@pytest.mark.parametrize("what", HANGING)
def test_one_test_that_hangs_is_named_and_the_others_go_on(what: str, tmp_path: Path) -> None:
    shutil.copy(TESTS / "against_the_clock.py", tmp_path / "conftest.py")
    head = "import os, re, threading\nimport pytest\n"
    for number in range(9):
        (tmp_path / f"test_before_{number}.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "test_it.py").write_text(head + HANGING[what] + "\ndef test_after():\n    pass\n")
    (tmp_path / "test_last.py").write_text("def test_passes():\n    pass\n")
    options = ["-n1", "--dist=loadfile", "--no-loadscope-reorder", "-o", "faulthandler_timeout=2"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir=.", *options, "."],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert "crashed while running 'test_it.py::test_hangs'" in run.stdout, run.stdout + run.stderr
    assert run.stdout.count("replacing crashed worker") == 1
    assert "11 passed" in run.stdout
    assert "in test_hangs" in run.stderr or "in gate" in run.stderr
