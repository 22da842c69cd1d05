"""The page about ClearML-Serving is true: its files are written as it shows them, its commands answer as it says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from naiad.testing import tiny_checkpoint

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "move-from-clearml.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of the v2 door and of the metrics, of the server that the page starts."""
    folder = tmp_path_factory.mktemp("page")
    tiny_checkpoint(folder / "sentiment", head="sequence-classification", labels=("bad", "good"))
    (folder / "preprocess.py").write_text(block("python"))
    (folder / "naiad.yaml").write_text(block("yaml"))
    (line,) = re.findall(r"^    naiad (serve .*)$", PAGE, re.MULTILINE)
    command = [str(Path(sys.executable).with_name("naiad")), *shlex.split(line), "--http-port=0", "--metrics-port=0"]
    with subprocess.Popen(
        [*command, "--grpc-port=0"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            found: dict[str, str] = {}
            for said in server.stderr:
                found |= dict(re.findall(r"Started (HTTPService|Metrics Service) at ([0-9.:]+)", said))
                if "ready on" in said:
                    break
            yield found["HTTPService"], found["Metrics Service"]
        finally:
            server.terminate()
            server.communicate(timeout=60)


def run(line: str, address: str) -> str:
    words = shlex.split(line.replace("localhost:8000", address))
    return subprocess.run([*words, "-s"], capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's command is curl's")
def test_the_endpoint_answers_and_is_counted_as_the_page_says(served: tuple[str, str]) -> None:
    (line,) = re.findall(r"^    (curl .*)$", PAGE, re.MULTILINE)
    assert run(line, served[0]) == block("json").strip()
    with urlopen(f"http://{served[1]}/metrics") as answer:
        page = answer.read().decode()
    named = set(re.findall(r"sentiment_1:\w+", PAGE))
    assert len(named) > 4
    assert sorted(name for name in named if f"{name}" not in page) == []


def test_explain_takes_the_name_of_the_page(served: tuple[str, str]) -> None:
    (line,) = re.findall(r"^    naiad (explain .*)$", PAGE, re.MULTILINE)
    command = [str(Path(sys.executable).with_name("naiad")), *shlex.split(line), "--url", served[0], "--seconds=0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Preprocess" in done.stdout) == (0, True)
