"""Every example runs as it stands, against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from naiad.testing import RunningServer

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
SAYS = {
    "in_process.py": "(384,) [-0.0345  0.031   0.0067]\n100 texts from 16 threads\nmodel 'minilm' has no input 'txt'",
    "many_at_once.py": "200 of 200 texts",
    "semantic_search.py": "Is borrowing money getting dearer? -> Interest rates rose again.",
    "triton_client.py": "(1, 384): [-0.0345  0.031   0.0067]",
}
"""Part of what each one prints."""

pytestmark = pytest.mark.weights


def test_every_example_is_expected_to_say_something() -> None:
    assert [path.name for path in EXAMPLES] == sorted(SAYS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path: Path, live_server: RunningServer) -> None:
    command = [sys.executable, str(path), live_server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SAYS[path.name] in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60
