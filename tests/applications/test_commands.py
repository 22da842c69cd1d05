"""`naiad serve app.py:app` from its start to its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from served_application import SERVED

ANY_PORTS = ("--http-port", "0", "--no-allow-grpc", "--metrics-port", "0")

READY = re.compile(r"ready on (http://127\.0\.0\.1:\d+)")

WSGI = """
import os

def {name}(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    seen = os.environ.get("NAIAD_LOG_LEVEL", "-") + os.environ.get("OTHER", "-")
    return [("{says} " + str(os.getpid()) + " " + seen).encode()]
"""


@contextmanager
def naiad(*arguments: str, cwd: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command, ended at the end."""
    argv = [str(Path(sys.executable).with_name("naiad")), "serve", *arguments, *ANY_PORTS]
    process = subprocess.Popen(argv, cwd=cwd, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    """Wait until it is ready, and give its URL."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if match := READY.search(line):
            return match[1]
    pytest.fail("".join(seen))


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_it_starts_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(WSGI.format(name="app", says="one"))
    with naiad("app.py:app", "--reload", cwd=tmp_path) as process:
        assert httpx2.get(url_of(process)).text.startswith("one ")
        file.write_text(WSGI.format(name="app", says="another"))
        assert httpx2.get(url_of(process)).text.startswith("another ")


def test_workers_have_the_commands_environment_but_for_the_servers_own(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WSGI.format(name="app", says="it"))
    with naiad("app.py:app", cwd=tmp_path, NAIAD_LOG_LEVEL="info", OTHER="seen") as process:
        assert httpx2.get(url_of(process)).text.endswith(" -seen")


def test_a_file_with_a_server_and_an_application(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import naiad\nserver = naiad.Server()\n" + WSGI.format(name="app", says="it"))
    with naiad("app.py:app", cwd=tmp_path) as process:
        assert httpx2.get(url_of(process)).text.startswith("it ")


def test_a_stop_lets_requests_streams_and_background_tasks_end(tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    notes = tmp_path / "notes"
    with naiad(f"{SERVED}/fastapi_app.py:app", cwd=tmp_path, NOTES=str(notes)) as process:
        url = url_of(process)
        assert httpx2.get(f"{url}/later?s=1.5").json() == "told"
        with httpx2.stream("GET", f"{url}/stream?n=10&pause=0.1", timeout=20) as answer:
            text = ""
            for piece in answer.iter_text():
                if not text:
                    process.send_signal(signal.SIGTERM)
                text += piece
        assert text == "".join(f"{index}\n" * 1000 for index in range(10))
        assert process.wait(30) == 0
    assert notes.read_text() == "startup\nbackground\nshutdown\n"


@pytest.mark.parametrize("name", ["app", "nothing", "ap"])
def test_an_application_that_cannot_be_served_ends_the_command(tmp_path: Path, name: str) -> None:
    sources = {
        "app": "import flask\nimport nowhere_to_be_found\n",
        "nothing": WSGI.format(name="a", says=""),
        "ap": "from flask import Flask, request, session\n\napp = Flask(__name__)\n",
    }
    (tmp_path / "app.py").write_text(sources[name])
    with naiad(f"app.py:{name}", cwd=tmp_path) as process:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 1
    expected = {
        "app": "there is no module 'nowhere_to_be_found'; install it beside Naiad: pip install nowhere_to_be_found",
        "nothing": "has no 'nothing'; it has a",
        "ap": "has no 'ap'; it has app",
    }
    assert expected[name] in said.splitlines()[-1]


def test_no_worker_outlives_its_server(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WSGI.format(name="app", says="it"))
    with naiad("app.py:app", "--app-workers", "2", cwd=tmp_path) as process:
        url = url_of(process)
        workers = {int(httpx2.get(url).text.split()[1]) for _ in range(2)}
        assert all(map(is_there, workers))
        process.kill()
        process.wait()
        while any(map(is_there, workers)):  # they end, or this test runs out of time
            pass


def test_models_are_served_beside_it_and_may_be_asked_by_it(tmp_path: Path) -> None:
    (tmp_path / "echo" / "1").mkdir(parents=True)
    (tmp_path / "echo" / "config.pbtxt").write_text(
        'backend: "identity" max_batch_size: 8\n'
        'input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }\noutput { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }'
    )
    (tmp_path / "app.py").write_text(
        "import numpy as np, naiad\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    client = naiad.Client('http://' + environ['HTTP_HOST'])\n"
        "    result = client.infer('echo', {'IN': np.array([[7.0]], np.float32)})\n"
        "    return [str(float(result['OUT'][0][0])).encode()]\n"
    )
    with naiad("app.py:app", "./echo", cwd=tmp_path) as process:
        assert httpx2.get(url_of(process), timeout=20).text == "7.0"
