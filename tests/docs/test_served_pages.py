"""Pages that run as they stand: files are written, commands run, and servers answer as the page says."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = {
    "move-from-flask.md": ("flask", "fastapi"),
    "own-metrics.md": (),
    "serve-pytorch-models.md": ("torch", "onnxscript"),
    "serve-tensorflow-models.md": ("tensorflow",),
    "versions-and-restarts.md": (),
}
"""Page → what it needs."""
FILES = re.compile(r"^```\w+\n# ([\w/.-]+\.\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STARTED = {8000: re.compile(r"HTTPService at 127\.0\.0\.1:(\d+)"), 8002: re.compile(r"Metrics Service at [\d.]+:(\d+)")}
READY = re.compile(r"ready on http://127\.0\.0\.1:(\d+)")


@dataclass
class Step:
    """A server of a page."""

    page: str
    needs: tuple[str, ...]
    before: list[str]
    """Commands that run first, those of earlier steps included."""
    command: str
    questions: list[tuple[str, str]] = field(default_factory=list)
    """Commands that ask it, and what they print."""


def steps() -> Iterator[Step]:
    for page, needs in PAGES.items():
        before: list[str] = []
        found: list[Step] = []
        for command, output in CONSOLE.findall((HOW_TO / page).read_text()):
            if command.startswith("curl"):
                found[-1].questions.append((command, output))
            elif command.startswith("naiad serve") or command == "python view.py":
                found.append(Step(page, needs, list(before), command))
            else:
                before.append(command)
        yield from found


@contextmanager
def serving(command: str, folder: Path) -> Iterator[dict[int, str]]:
    """Run a command of a page on ports that are free, and give them by those that the page names."""
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
        lines, ports_by_page = [], {}
        for line in process.stderr:
            lines.append(line)
            ports_by_page |= {port: match[1] for port, started in STARTED.items() if (match := started.search(line))}
            if match := READY.search(line):
                yield {**ports_by_page, 8000: match[1]}
                break
        else:
            pytest.fail("".join(lines))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


STEPS = [
    pytest.param(step, id=f"{step.page}: {step.command}", marks=[pytest.mark.torch] if "torch" in step.needs else [])
    for step in steps()
]


@pytest.mark.parametrize("step", STEPS)
def test_a_server_of_the_page_answers_as_it_says(step: Step, tmp_path: Path) -> None:
    for library in step.needs:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for name, source in FILES.findall((HOW_TO / step.page).read_text()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    for command in step.before:
        here = command.replace("examples/", f"{ROOT}/examples/").replace("python ", f"{sys.executable} ", 1)
        subprocess.run(["sh", "-c", here], cwd=tmp_path, check=True, timeout=300)
    with serving(step.command, tmp_path) as ports:
        for question, output in step.questions:
            asked = question
            for port, real in ports.items():
                asked = asked.replace(f"localhost:{port}", f"localhost:{real}")
            done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == output.strip()
    assert step.questions
