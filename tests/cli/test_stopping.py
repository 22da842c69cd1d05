"""`naiad serve` told to stop: what clients have begun is answered, and nothing else keeps the process."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from naiad.cli.running import ONE_STOP_S

from .test_serve import FREE_PORTS, NAIAD, REPOSITORY, naiad, read_until, start, status_of

ROW = {"datatype": "INT32", "shape": [1, 16], "data": [1] * 16}
BODY = json.dumps({"inputs": [{"name": "INPUT0", **ROW}, {"name": "INPUT1", **ROW}]})
SIMPLE = str(REPOSITORY / "simple")
WAIT_S = 60.0
SLOW = """
backend: "identity"
max_batch_size: 8
input  { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 500000 }
"""
"""A model that waits for company before it answers."""
ASKED = json.dumps({"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [7]}]}).encode()
ENDLESS = """
import threading
from naiad.backends.identity import {owner}
from naiad.cli.main import main
{owner}.{method} = lambda *_: threading.Event().wait()
main()
"""
"""`naiad` in which something of the identity backend never ends."""


def put(folder: Path, name: str, config: str) -> Path:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(config)
    return folder / name


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    return put(tmp_path, "slow", SLOW)


def ask(port: int, path: str, body: str = "") -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def begin(port: int) -> socket.socket:
    """A client whose request the slow model has."""
    client = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    client.sendall(b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(ASKED) + ASKED)
    assert status_of(port, "/v2/health/live") == 200, "and what came before that has been read"
    return client


def read_all(client: socket.socket) -> bytes:
    found = b""
    while piece := client.recv(65536):
        found += piece
    client.close()
    return found


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGTERM], [signal.SIGINT], [signal.SIGHUP], [signal.SIGTERM] * 2, [signal.SIGHUP, signal.SIGTERM]],
    ids=lambda signals: " ".join(one.name for one in signals),
)
def test_a_running_request_is_answered(slow: Path, signals: list[signal.Signals]) -> None:
    """Several signals at once are one: a process manager may send one to a process and one to its group."""
    with naiad("serve", str(slow), *FREE_PORTS, cwd=slow.parent) as process:
        _, port = start(process)
        client = begin(port)
        for one in signals:
            process.send_signal(one)
        answer = read_all(client)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in answer
        assert process.wait(WAIT_S) == 0


def test_a_server_started_with_nohup_stays(tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *NAIAD, "serve", SIMPLE, *FREE_PORTS]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _, port = start(process)
        process.send_signal(signal.SIGHUP)
        assert ask(port, "/v2/models/simple/infer", BODY).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_lame_duck_serves_on_and_a_second_signal_ends_it(tmp_path: Path) -> None:
    with naiad("serve", SIMPLE, "--lame-duck-s", "600", *FREE_PORTS, cwd=tmp_path) as process:
        _, port = start(process)
        assert status_of(port, "/v2/health/ready") == 200
        process.send_signal(signal.SIGTERM)
        read_until(process, "SIGTERM: ")
        end_s = time.monotonic() + ONE_STOP_S
        while time.monotonic() <= end_s:
            assert status_of(port, "/v2/health/ready") == 400
            assert status_of(port, "/v2/health/live") == 200
            answer = ask(port, "/v2/models/simple/infer", BODY)
            assert (answer.status, answer.headers["Connection"]) == (200, None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == -signal.SIGTERM


def test_a_lame_duck_ends(tmp_path: Path) -> None:
    with naiad("serve", SIMPLE, "--lame-duck-s", "0.1", *FREE_PORTS, cwd=tmp_path) as process:
        start(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


@contextmanager
def with_endless(owner: str, method: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port."""
    program = ENDLESS.format(owner=owner, method=method)
    command = [sys.executable, "-c", program, "serve", SIMPLE, *arguments, *FREE_PORTS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _, match = read_until(process, r"Started HTTPService at 127\.0\.0\.1:(\d+)")
        yield process, int(match[1])
    finally:
        process.kill()
        process.communicate()


def test_a_load_under_way_does_not_keep_the_process(slow: Path) -> None:
    with with_endless("IdentityBackend", "load", str(slow)) as (process, port):
        read_until(process, "successfully loaded 'simple'")
        assert ask(port, "/v2/models/simple/infer", BODY).status == 200
        assert ask(port, "/v2/models/slow/infer", ASKED.decode()).status == 503
        process.send_signal(signal.SIGTERM)
        read_until(process, "stopped")
        assert process.wait(WAIT_S) == 0


def test_nobody_needs_a_lame_duck_whose_doors_are_shut(slow: Path) -> None:
    """`naiad triton` opens them when its models are loaded."""
    shutil.copytree(SIMPLE, slow.parent / "simple")
    program = ENDLESS.format(owner="IdentityBackend", method="load")
    options = [f"--model-repository={slow.parent}", "--lame-duck-secs=600", "--http-port=0", "--grpc-port=0"]
    process = subprocess.Popen([sys.executable, "-c", program, "triton", *options], stderr=subprocess.PIPE, text=True)
    try:
        read_until(process, "successfully loaded 'simple'")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_run_that_does_not_end_keeps_the_process_no_longer_than_its_time(slow: Path) -> None:
    with with_endless("IdentityInstance", "execute", str(slow), "--drain-timeout-s", "0.1") as (process, port):
        read_until(process, "ready on")
        client = begin(port)
        client.setblocking(False)
        process.send_signal(signal.SIGTERM)
        read_until(process, r"some requests were not finished, or their answers not read, within 0\.1 s")
        assert process.wait(WAIT_S) == 1
        client.close()
