"""A server that stops: clients hear of it, what they have asked is answered, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from naiad.proto.pool import message_class
from naiad.testing import running_server

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
WAIT_S = 60.0
SILENCE_S = 10.0
"""Ten times the grace, half of what grpcio waits on its own, and a third of what running requests get."""
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
ACKNOWLEDGED = GREETING + bytes((0, 0, 0, 4, 1, 0, 0, 0, 0))
"""And the client has taken the server's settings."""
REFUSALS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""The second is what grpcio says to calls that reach it in the moment in which it stops."""
SLOW = """
backend: "identity"
max_batch_size: 8
input  { name: "x" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "y" data_type: TYPE_INT32 dims: [ 1 ] }
dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 400000 }
"""
"""A model that waits for company before it answers."""


def request(model: str, number: int, width: int, names: tuple[str, ...]) -> bytes:
    made = message_class("ModelInferRequest")(model_name=model, id=str(number))
    for name in names:
        made.inputs.add(name=name, datatype="INT32", shape=[1, width])
        made.raw_input_contents.append(number.to_bytes(4, "little") * width)
    serialized: bytes = made.SerializeToString()
    return serialized


def simple(number: int) -> bytes:
    return request("simple", number, 16, ("INPUT0", "INPUT1"))


class Client(threading.Thread):
    """Asks without pause over one channel, and again whenever it hears that it was refused."""

    def __init__(self, channel: grpc.Channel, stop: threading.Event, count: Callable[[], None]) -> None:
        super().__init__()
        self._infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        self._over = stop
        self._count = count
        self.asked = self.answered = self.repeated = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._over.is_set():
                self.asked += 1
                raw = self._ask(simple(self.asked))
                response = message_class("ModelInferResponse").FromString(raw)
                assert response.raw_output_contents[0] == (2 * self.asked).to_bytes(4, "little") * 16
                self.answered += 1
                self._count()
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.error = error

    def _ask(self, raw: bytes) -> bytes:
        while True:
            try:
                answer: bytes = self._infer(raw, timeout=WAIT_S)
            except grpc.RpcError as error:
                if error.code() not in REFUSALS:
                    raise
                self.repeated += 1
            else:
                return answer


@pytest.mark.parametrize("transport", ["http2", "aio"])
def test_a_client_with_another_server_loses_nothing(transport: str) -> None:
    """Over our own transport it need not even repeat a call: it hears GOAWAY before calls are refused."""
    policy = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
    over, answers = threading.Event(), threading.Semaphore(0)

    def wait(count: int) -> None:
        for _ in range(count):
            assert answers.acquire(timeout=WAIT_S)

    with ExitStack() as first, running_server(str(SIMPLE), grpc_transport=transport) as second:
        both = [first.enter_context(running_server(str(SIMPLE), grpc_transport=transport)), second]
        target = "ipv4:" + ",".join(running.grpc_address for running in both)
        with grpc.insecure_channel(target, [("grpc.service_config", policy)]) as channel:
            clients = [Client(channel, over, answers.release) for _ in range(4)]
            for client in clients:
                client.start()
            wait(200)
            first.close()
            wait(200)
            over.set()
            for client in clients:
                client.join(WAIT_S)
    assert [client.error for client in clients] == [None] * 4
    assert [client.answered for client in clients] == [client.asked for client in clients]
    if transport == "http2":
        assert [client.repeated for client in clients] == [0] * 4


@pytest.mark.parametrize("transport", ["http2", "aio"])
def test_streams_end_when_their_requests_are_answered(transport: str, tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(SLOW)
    asked: queue.Queue[bytes | None] = queue.Queue()

    def questions() -> Iterator[bytes]:
        while (raw := asked.get()) is not None:
            yield raw

    with ExitStack() as stack, ExitStack() as server:
        running = server.enter_context(running_server(str(folder), grpc_transport=transport))
        channel = stack.enter_context(grpc.insecure_channel(running.grpc_address))
        stack.callback(asked.put, None)
        call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")(questions(), timeout=WAIT_S)
        for number in range(3):
            asked.put(request("slow", number, 1, ("x",)))
        running.run(lambda: _waiting(running.server, 3))
        server.close()
        answers, status = until_the_end(call)
        assert [(answer.error_message, answer.infer_response.id) for answer in answers] == [
            ("", "0"), ("", "1"), ("", "2"),
        ]  # fmt: skip
        assert status is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("transport", ["http2", "aio"])
@pytest.mark.parametrize(
    "greeting", [b"", GREETING, ACKNOWLEDGED], ids=["says nothing", "greets", "greets and falls silent"]
)
def test_a_silent_client_does_not_hold_it_up(transport: str, greeting: bytes) -> None:
    with ExitStack() as server:
        running = server.enter_context(running_server(str(SIMPLE), grpc_transport=transport))
        host, _, port = running.grpc_address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as client:
            client.sendall(greeting)
            if greeting:
                assert client.recv(9)
            began_s = time.monotonic()
            server.close()
            assert time.monotonic() - began_s < SILENCE_S


@pytest.mark.parametrize("transport", ["http2", "aio"])
@pytest.mark.parametrize(
    "method",
    [
        "inference.GRPCInferenceService/ModelInfer",
        "inference.GRPCInferenceService/ServerMetadata",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ],
)
def test_a_call_that_waits_for_its_client_does_not_hold_it_up(transport: str, method: str) -> None:
    """The client is there and answers PINGs; it only never says what it wants."""
    silence = threading.Event()

    def nothing() -> Iterator[bytes]:
        silence.wait()
        yield from ()

    with ExitStack() as stack, ExitStack() as server:
        stack.callback(silence.set)
        running = server.enter_context(running_server(str(SIMPLE), grpc_transport=transport))
        channel = stack.enter_context(grpc.insecure_channel(running.grpc_address))
        assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=WAIT_S)
        call = channel.stream_stream(f"/{method}")(nothing(), timeout=WAIT_S)
        assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=WAIT_S)
        began_s = time.monotonic()
        server.close()
        assert time.monotonic() - began_s < SILENCE_S
        assert until_the_end(call) == ([], grpc.StatusCode.UNAVAILABLE)


def until_the_end(call: Any) -> tuple[list[Any], grpc.StatusCode]:
    """All answers of a stream, and what it ended with."""
    answers = []
    try:
        for raw in call:
            answers.append(message_class("ModelStreamInferResponse").FromString(raw))  # noqa: PERF401 - kept if it fails
    except grpc.RpcError as error:
        return answers, error.code()
    return answers, grpc.StatusCode.OK


async def _waiting(server: Any, count: int) -> None:
    """Return when so many requests are in the model's queue."""
    (model,) = server.catalog.models()
    while model.statistics.count_pending() < count:  # noqa: ASYNC110 - the queue tells nobody
        await asyncio.sleep(0)
