"""`naiad serve` as a process: it starts, says so, answers, drains on SIGTERM, and names what is wrong."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from naiad.testing import LocalHub, tiny_checkpoint

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
BROKEN = REPOSITORY.with_name("broken_repository")
NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]
FREE_PORTS = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]


@contextmanager
def naiad(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*NAIAD, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run([*NAIAD, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def read_until(process: subprocess.Popen[str], pattern: str) -> tuple[list[str], re.Match[str]]:
    """Log lines up to the one that matches; the process ends the wait by ending."""
    lines: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        match = re.search(pattern, line)
        if match:
            return lines, match
    raise AssertionError("".join(lines))


def start(process: subprocess.Popen[str]) -> tuple[list[str], int]:
    lines, match = read_until(process, r"ready on http://127\.0\.0\.1:(\d+)")
    return lines, int(match[1])


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_serves_a_folder_and_stops_with_status_0(tmp_path: Path) -> None:
    with naiad("serve", str(REPOSITORY / "simple"), "--log-format", "text", *FREE_PORTS, cwd=tmp_path) as process:
        lines, port = start(process)
        text = "".join(lines)
        assert "Started HTTPService at 127.0.0.1:" in text
        assert "successfully loaded 'simple'" in text
        assert re.search(r"\| simple +\| 1 +\| READY +\|", text)
        assert status_of(port, "/v2/health/ready") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_sigterm_finishes_the_request_in_hand(tmp_path: Path) -> None:
    """A request whose body is still on its way is not cut off by connections being closed around it."""
    body = json.dumps(
        {"inputs": [{"name": n, "shape": [1, 16], "datatype": "INT32", "data": [1] * 16} for n in ("INPUT0", "INPUT1")]}
    ).encode()
    request = b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with naiad("serve", str(REPOSITORY / "simple"), *FREE_PORTS, cwd=tmp_path) as process:
        _, port = start(process)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(request * 50)
            process.send_signal(signal.SIGTERM)
            received = b""
            while piece := client.recv(65536):
                received += piece
        assert process.wait(30) == 0
    answers = received.count(b"HTTP/1.1 200 OK")
    assert received.count(b"HTTP/1.1") == received.count(b'"model_name"') + received.count(b'"error"')
    assert answers == received.count(b'"OUTPUT1"'), "every answer that was begun is whole"


def test_a_model_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    with naiad("serve", str(REPOSITORY), str(BROKEN), *FREE_PORTS, cwd=tmp_path) as process:
        lines, port = start(process)
        assert any("failed to load 'broken'" in line for line in lines)
        assert all(json.loads(line)["level"] in {"info", "error", "warning"} for line in lines), "JSON: no terminal"
        assert status_of(port, "/v2/models/simple/ready") == 200


def test_a_download_does_not_break_the_stream_of_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub() as hub:
        hub.add_folder("org/tiny", tiny_checkpoint(tmp_path / "tiny"))
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
        hub.fail_next(503, path="/api/models", retry_after=0)
        with naiad("serve", "org/tiny", *FREE_PORTS, cwd=tmp_path) as process:
            lines, _ = start(process)
    messages = [json.loads(line)["message"] for line in lines]
    assert any(message.startswith("downloading org/tiny") for message in messages)
    assert any(message.endswith("trying again in 0 s") for message in messages)


def test_exit_on_error(tmp_path: Path) -> None:
    code, text = run("serve", str(BROKEN), "--exit-on-error", *FREE_PORTS, cwd=tmp_path)
    assert code == 1
    assert "not all models could be loaded" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "nothing to serve: name a model"),
        (["serve", "./missing"], "there is no such folder"),
        (["serve", "--http-port", "99999", "."], "--http-port must be between 0 and 65535"),
        (["serve", "--http-prt", "1", "."], "Did you mean"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["serve", "--manifest", "missing.yaml"], "missing.yaml"),
    ],
)
def test_mistakes_are_answered_in_one_line_without_a_traceback(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, text = run(*arguments, cwd=tmp_path)
    assert code in (1, 2)
    assert message in text
    assert "Traceback" not in text


@pytest.mark.parametrize("option", ["--http-port", "--grpc-port", "--metrics-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = [*FREE_PORTS, option, str(port)]
        code, text = run("serve", str(REPOSITORY / "simple"), *ports, cwd=tmp_path)
    assert code == 1
    (line,) = text.splitlines()
    assert line.startswith(f"naiad: cannot listen on 127.0.0.1:{port}: ")
    assert "already in use" in line.lower()
    assert line.endswith(f". Choose another with {option}.")


def test_without_arguments_the_manifest_is_read(tmp_path: Path) -> None:
    (tmp_path / "naiad.yaml").write_text(f"models:\n  - source: {REPOSITORY / 'simple'}\n")
    with naiad("serve", *FREE_PORTS, cwd=tmp_path) as process:
        _, port = start(process)
        assert port


def test_help_lists_commands_without_loading_them() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from naiad.cli.main import main; main(['--help'])"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "serve" in done.stdout
    assert "numpy" not in done.stderr
