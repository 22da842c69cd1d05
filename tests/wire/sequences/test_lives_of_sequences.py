"""Sequences while models are loaded again, unloaded, or the server stops, and while clients leave.

Every step is answered once.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sequence_models import direct, slow

from naiad.testing import RunningServer, running_server

grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")

RUN_S = 0.2
CONFIG = f"max_batch_size: 1 {direct()} {slow(int(RUN_S * 1000))}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "config.pbtxt").write_text(f'name: "m" {CONFIG}\n')
    with running_server(str(tmp_path), model_control_mode="explicit", load_model=("m",)) as running:
        yield running


def body(value: int, name: int, first: bool, last: bool = False) -> bytes:
    tensor = {"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [value]}
    place = {"sequence_id": name, "sequence_start": first, "sequence_end": last}
    return json.dumps({"inputs": [tensor], "parameters": place}).encode()


def post(server: RunningServer, path: str, content: bytes = b"{}") -> tuple[int, Any]:
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as opened:
        head = f"POST {path} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\nContent-Length: {len(content)}"
        opened.sendall(f"{head}\r\n\r\n".encode() + content)
        answer = b"".join(iter(lambda: opened.recv(1 << 16), b""))
    head_bytes, _, raw = answer.partition(b"\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1, "answered twice"
    return int(head_bytes.split()[1]), json.loads(raw or b"{}")


def step(server: RunningServer, value: int, name: int, first: bool, last: bool = False) -> tuple[int, Any]:
    status, answer = post(server, "/v2/models/m/infer", body(value, name, first, last))
    return status, answer.get("error") or answer["outputs"][0]["data"][0]


def pending(server: RunningServer) -> int:
    with urllib.request.urlopen(server.metrics_url, timeout=30) as page:
        for line in page.read().decode().splitlines():
            if line.startswith('nv_inference_pending_request_count{model="m"'):
                return int(line.split()[-1])
    return 0


def wait_until_pending(server: RunningServer, count: int) -> None:
    end_s = time.monotonic() + 30
    while pending(server) != count:
        assert time.monotonic() < end_s


class Asking:
    """Steps of several sequences, sent one after the other, each of which waits for its answer in a thread."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self._pool = ThreadPoolExecutor(16)
        self.answers: list[Any] = []

    def ask(self, value: int, name: int, first: bool, waiting: int) -> None:
        """Send a step, and return when so many wait, this one included."""
        self.answers.append(self._pool.submit(step, self.server, value, name, first))
        if waiting:
            wait_until_pending(self.server, waiting)

    def told(self) -> list[tuple[int, Any]]:
        return [answer.result(30) for answer in self.answers]


@pytest.fixture
def asking(server: RunningServer) -> Asking:
    """Two sequences, of which one has the place: its first step runs, its second and the other's two wait."""
    asking = Asking(server)
    assert step(server, 1, 1, True) == (200, 1)
    asking.ask(2, 1, False, 0)
    asking.ask(10, 2, True, 1)
    asking.ask(20, 2, False, 2)
    return asking


@pytest.mark.parametrize("call", ["load", "unload"])
def test_what_waits_is_still_run_and_what_comes_later_begins_anew(
    server: RunningServer, asking: Asking, call: str
) -> None:
    """Nobody ends the first sequence; the second gets its place all the same, as nothing of it can come any more."""
    if call == "load":
        config = server.server.engine.catalog.find("m", "").config.document
        changed = json.dumps({"parameters": {"config": json.dumps({**config, "max_batch_size": 2})}}).encode()
        assert post(server, "/v2/repository/models/m/load", changed)[0] == 200
        status, error = step(server, 3, 1, False)
        assert (status, "START flag" in error) == (400, True)
        assert step(server, 4, 1, True, True) == (200, 4)
    else:
        assert post(server, "/v2/repository/models/m/unload")[0] == 200
        assert step(server, 3, 1, False)[0] in (400, 404, 503)
    assert asking.told() == [(200, 3), (200, 10), (200, 30)]


def test_a_server_that_stops_answers_what_waits(server: RunningServer, asking: Asking) -> None:
    server.run(server.server.stop)
    assert asking.told() == [(200, 3), (200, 10), (200, 30)]


def test_who_leaves_takes_the_later_steps_of_the_sequence_along(server: RunningServer) -> None:
    assert step(server, 1, 1, True) == (200, 1)
    host, _, port = server.address.rpartition(":")
    content = body(10, 2, True)
    with socket.create_connection((host, int(port)), timeout=30) as leaving:
        head = f"POST /v2/models/m/infer HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: {len(content)}\r\n\r\n"
        leaving.sendall(head.encode() + content)
        wait_until_pending(server, 1)
        asking = Asking(server)
        asking.ask(20, 2, False, 2)
        asking.ask(5, 3, True, 3)
    assert asking.answers[0].result(30) == (400, "the request was cancelled")
    assert step(server, 2, 1, False, True) == (200, 3)
    assert asking.answers[1].result(30) == (200, 5)


def test_a_stream_that_is_cancelled_ends_its_sequences(server: RunningServer) -> None:
    told: queue.Queue[Any] = queue.Queue()
    begun = threading.Event()
    with grpc.InferenceServerClient(str(server.grpc_address)) as client:
        client.start_stream(callback=lambda result, error: (told.put((result, error)), begun.set()))
        for number in range(50):
            tensor = grpc.InferInput("INPUT", [1, 1], "INT32")
            tensor.set_data_from_numpy(np.array([[1]], np.int32))
            client.async_stream_infer("m", [tensor], sequence_id=7, sequence_start=number == 0)
        assert begun.wait(30)
        client.stop_stream(cancel_requests=True)
    assert step(server, 5, 8, True, True) == (200, 5)
    assert told.qsize() < 50
