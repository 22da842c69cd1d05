"""Every example runs as it stands, against a real server."""

from __future__ import annotations

import importlib.util
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

MIGRATE = sorted((FOLDER / "migrate").glob("*.py"))
MIGRATED_SAYS = {
    "celery_task.py": "cancelled\n[array([6]), array([7])]\ndone\n",
    "clearml_huggingface.py": "{'data': [1, 1]}\n",
    "fastapi_application.py": "1225\n422 Field required\n",
    "flask_application.py": "[16.0, 22.0]\nTrue\ntogether\n",
    "pytriton_asyncio.py": "870 in time\n",
    "pytriton_decoupled.py": "one\nword\nafter\nthe\nother\n",
    "pytriton_quick_start.py": "[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]\n[5.0, 7.0, 9.0]\n",
    "trism_model.py": "['a', 'b'] {'OUTPUT_1': array([[4, 6]], dtype=int32)}\nOnce upon a time there was …\n",
}
"""All that each one prints; these bring their server along."""

NEEDS = {"clearml_huggingface.py": "transformers"}
"""What one is written with, besides Naiad."""


def test_every_example_is_expected_to_say_something() -> None:
    assert [path.name for path in EXAMPLES] == sorted(SAYS)
    assert [path.name for path in MIGRATE] == sorted(MIGRATED_SAYS)


@pytest.mark.parametrize("path", MIGRATE, ids=lambda path: path.name)
def test_a_script_of_another_library(path: Path) -> None:
    needed = NEEDS.get(path.name, "sys")
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}; make test-torch sets it up")
    command = [sys.executable, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == (MIGRATED_SAYS[path.name], "")
    assert done.returncode == 0


@pytest.mark.weights
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path: Path, live_server: RunningServer) -> None:
    command = [sys.executable, str(path), live_server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert SAYS[path.name] in done.stdout


@pytest.mark.parametrize("path", [*EXAMPLES, *MIGRATE], ids=lambda path: path.name)
def test_an_example_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60
