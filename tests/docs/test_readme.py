"""The README is short, and what it says to type works as typed; the index of the docs has every page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from naiad.testing import RunningServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NAIAD = f"{sys.executable} -c 'from naiad.cli.main import main; main()'"
COMMANDS = re.findall(r"^(?:curl|naiad infer) (?:.*\\\n)*.*", README, re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_fits_in_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_the_readme_shows_the_last_results() -> None:
    assert "(bench/results/latest.svg)" in README


@pytest.mark.weights
@pytest.mark.parametrize("command", COMMANDS)
def test_a_request_of_the_readme_is_answered(command: str, live_server: RunningServer) -> None:
    line = command.replace("localhost:8000", live_server.address)
    line = line.replace("naiad infer", f"{NAIAD} infer --url {live_server.address}")
    line = line.replace("curl", "curl --fail-with-body --silent --show-error")
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602
    assert (done.returncode, done.stderr) == (0, "")
    assert "embedding" in done.stdout


@pytest.mark.weights
@pytest.mark.parametrize("block", PYTHON)
def test_the_python_of_the_readme_prints_what_it_says(
    block: str, live_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(block.replace("localhost:8000", live_server.address), "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out == re.findall(r"  # (.*)\n", block)[0] + "\n"


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text()
    pages = [page.relative_to(docs).as_posix() for page in docs.rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []
