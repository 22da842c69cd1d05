"""Everything on the page about Flask and FastAPI runs as it stands: its files are served, its commands answered."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-flask.md"
FILES = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
READY = re.compile(r"http://127\.0\.0\.1:(\d+)")


def steps() -> list[list[tuple[str, str]]]:
    """Each server's command, and those that ask it, with what they print."""
    found: list[list[tuple[str, str]]] = []
    for command, output in CONSOLE.findall(PAGE.read_text()):
        if not command.startswith("curl"):
            found.append([])
        found[-1].append((command, output))
    return found


@contextmanager
def serving(command: str, folder: Path) -> Iterator[int]:
    """Run a command of the page on a port that is free, and give the port."""
    words = command.split()
    if words[0] == "naiad":
        ports = ["--http-port", "0", "--no-allow-grpc", "--metrics-port", "0"]
        argv = [str(Path(sys.executable).with_name("naiad")), *words[1:], *ports]
    else:
        file = folder / words[1]
        file.write_text(file.read_text().replace("port=8000", "port=0").replace("serve(", "log();serve(", 1))
        file.write_text("import logging\nlog = lambda: logging.basicConfig(level='INFO')\n" + file.read_text())
        argv = [sys.executable, str(file)]
    process = subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "ready on" in line and (match := READY.search(line)):
                yield int(match[1])
                break
        else:
            pytest.fail("".join(lines))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize("step", steps(), ids=lambda step: step[0][0])
def test_a_server_of_the_page_answers_as_it_says(step: list[tuple[str, str]], tmp_path: Path) -> None:
    for library in ("flask", "fastapi"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for name, source in FILES.findall(PAGE.read_text()):
        (tmp_path / name).write_text(source)
    (command, _), *questions = step
    with serving(command, tmp_path) as port:
        for question, output in questions:
            asked = question.replace("localhost:8000", f"localhost:{port}")
            done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == output.strip()
    assert questions
