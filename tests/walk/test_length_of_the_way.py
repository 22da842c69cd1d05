"""How many Python calls one warmed request takes, from its first byte to its last: a bound that nobody raises unseen.

Processor time is what a small request costs, and on shared machines no clock shows it steadily; calls can be counted.
When a bound is passed, the test prints the whole list, in order.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import numpy as np
import pytest

import naiad
from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.testing.checkpoints import tiny_checkpoint

PACKAGE = f"{Path(naiad.__file__).parent}/"
SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
WARM_UP = 40
"""Requests until a model is trusted to run on the loop and every cache knows the request."""

NOT_ON_THE_WAY = ("scheduling/batching/lingering.py: ", "server/loop_thread.py: ")
"""What looks for requests while nothing is to do, as often as the machine lets it; and this test's own orders."""

Ask = Callable[[], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    text = tiny_checkpoint(tmp_path_factory.mktemp("text"))
    with running_server(f"simple={SIMPLE}", f"text={text}", allow_metrics=False) as running:
        yield running


def calls_of(server: RunningServer, ask: Ask) -> list[str]:
    """The calls of our own functions on the loop's thread while one request is answered, as `file: function`.

    The fewest of three: a ping of the client, say, may come between.
    """
    for _ in range(WARM_UP):
        ask()
    return min((calls_of_one(server, ask) for _ in range(3)), key=len)


def calls_of_one(server: RunningServer, ask: Ask) -> list[str]:
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            calls.append(f"{code.co_filename.removeprefix(PACKAGE)}: {code.co_qualname}")

    async def begin() -> None:
        sys.setprofile(note)

    async def end() -> None:
        sys.setprofile(None)

    server.run(begin)
    ask()
    server.run(end)
    return [call for call in calls if not call.startswith(NOT_ON_THE_WAY)]


def http_asker(server: RunningServer, opened: ExitStack, path: str, document: Any) -> Ask:
    """Send head and body in one piece, as fast clients do."""
    host, port = server.address.split(":")
    connection = opened.enter_context(socket.create_connection((host, int(port))))
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def ask() -> None:
        connection.sendall(head + body)
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    return ask


def simple_over_http(server: RunningServer, opened: ExitStack) -> Ask:
    values = list(range(16))
    inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": values} for name in ("INPUT0", "INPUT1")]
    return http_asker(server, opened, "/v2/models/simple/infer", {"inputs": inputs})


def simple_over_grpc(server: RunningServer, opened: ExitStack) -> Ask:
    raw = np.arange(16, dtype=np.int32).tobytes()
    inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16]} for name in ("INPUT0", "INPUT1")]
    message = message_class("ModelInferRequest")(model_name="simple", inputs=inputs, raw_input_contents=[raw, raw])
    channel = opened.enter_context(grpc.insecure_channel(server.grpc_address))
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    data = message.SerializeToString()

    def ask() -> None:
        assert call(data, timeout=10)

    return ask


def text_over_http(server: RunningServer, opened: ExitStack) -> Ask:
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a short text"]}]
    return http_asker(server, opened, "/v2/models/text/infer", {"inputs": inputs})


WAYS = {
    "HTTP JSON": (simple_over_http, 60),
    "gRPC": (simple_over_grpc, 75),
    "a text over HTTP JSON": (text_over_http, 80),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_warmed_request_takes_few_calls(server: RunningServer, way: str) -> None:
    make, most = WAYS[way]
    with ExitStack() as opened:
        calls = calls_of(server, make(server, opened))
    files = {call.partition(":")[0] for call in calls}
    listed = "\n".join(calls)
    assert len(calls) <= most, f"{len(calls)} calls in {len(files)} files:\n{listed}"
