"""Calls of the gRPC door without a port: what only they can do wrong. That answers are the same: `tests/contract`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from naiad.core.settings.config import ServerSettings
from naiad.proto.pool import message_class
from naiad.repository import ModelEntry
from naiad.server.assembly import Assembly
from naiad.wire.grpc.features import SERVICE
from naiad.wire.grpc.in_process import CallFailed

SLOW = """backend: "identity" max_batch_size: 0
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ] output [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
parameters { key: "execute_delay_ms" value { string_value: "%d" } }"""


def request(model: str, id: str = "") -> bytes:  # noqa: A002 - the protocol's
    message = message_class("ModelInferRequest")(model_name=model, id=id)
    message.inputs.add(name="IN", datatype="INT32", shape=[1]).contents.int_contents.append(7)
    made: bytes = message.SerializeToString()
    return made


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Assembly]:
    for name, milliseconds in {"quick": 0, "slow": 500}.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(SLOW % milliseconds)
    shut = {f"allow_{door}": False for door in ("http", "grpc", "metrics")}
    settings = ServerSettings.of(**shut, grpc_restricted_protocol=("statistics:key=word",), drain_timeout_s=5)
    made = Assembly([ModelEntry.from_source(str(tmp_path))], settings)
    assert await made.load()
    yield made
    assert await made.stop(), "everything was answered or withdrawn"


async def test_a_call_is_answered(server: Assembly) -> None:
    raw = await server.in_process.grpc.ask(SERVICE + "ModelInfer", request("quick", "5"), {})
    answer = message_class("ModelInferResponse").FromString(raw)
    assert (answer.id, answer.model_name) == ("5", "quick")


@pytest.mark.parametrize(
    ("method", "message", "status", "words"),
    [
        ("ModelInfer", request("nosuch"), "NOT_FOUND", "unknown model: 'nosuch'"),
        ("ModelInfer", b"\xff", "INTERNAL", ""),
        ("NoSuch", b"", "UNIMPLEMENTED", "there is no method"),
        (
            "ModelStatistics",
            b"",
            "UNAVAILABLE",
            "This protocol is restricted, expecting header 'triton-grpc-protocol-key",
        ),
    ],
)
async def test_what_fails_says_so(server: Assembly, method: str, message: bytes, status: str, words: str) -> None:
    with pytest.raises(CallFailed) as raised:
        await server.in_process.grpc.ask(SERVICE + method, message, {})
    assert words in raised.value.details
    assert method == "ModelInfer" or raised.value.status == status


async def test_metadata_open_what_is_restricted(server: Assembly) -> None:
    metadata = {"triton-grpc-protocol-key": "word"}
    raw = await server.in_process.grpc.ask(SERVICE + "ModelStatistics", b"", metadata)
    assert len(message_class("ModelStatisticsResponse").FromString(raw).model_stats) == 2


async def test_who_leaves_takes_the_request_back(server: Assembly) -> None:
    calls = server.in_process.grpc
    task = asyncio.ensure_future(calls.ask(SERVICE + "ModelInfer", request("slow"), {}))
    await asyncio.sleep(0)  # it has begun
    assert calls.running.count == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls.running.count == 0
    assert calls._waiting.bytes == 0


async def test_a_load_report_comes_behind_the_answer(server: Assembly) -> None:
    trailing: dict[str, bytes] = {}
    metadata = {"endpoint-load-metrics-format": "json"}
    await server.in_process.grpc.ask(SERVICE + "ModelInfer", request("quick"), metadata, trailing)
    assert list(trailing) == ["endpoint-load-metrics"]


async def messages(*those: bytes) -> AsyncIterator[bytes]:
    for one in those:
        yield one


async def test_a_stream_answers_in_order(server: Assembly) -> None:
    asked = [request("quick", "1"), request("nosuch", "2"), request("quick", "3")]
    stream = server.in_process.grpc.stream(SERVICE + "ModelStreamInfer", messages(*asked), {})
    found = [message_class("ModelStreamInferResponse").FromString(raw) async for raw in stream]
    assert [one.infer_response.id for one in found] == ["1", "2", "3"]
    assert ["nosuch" in one.error_message for one in found] == [False, True, False]


async def test_a_stream_that_fails_says_so_at_its_end(server: Assembly) -> None:
    metadata = {"triton_grpc_error": "true"}
    stream = server.in_process.grpc.stream(SERVICE + "ModelStreamInfer", messages(request("nosuch")), metadata)
    with pytest.raises(CallFailed, match="NOT_FOUND: Request for unknown model"):
        async for _ in stream:
            pass


async def test_a_stream_that_nobody_reads_any_more_takes_its_requests_back(server: Assembly) -> None:
    calls = server.in_process.grpc

    async def endless() -> AsyncIterator[bytes]:
        yield request("quick")
        yield request("slow")
        await asyncio.Event().wait()

    stream: Any = calls.stream(SERVICE + "ModelStreamInfer", endless(), {})
    assert await anext(stream)
    await stream.aclose()
    assert calls.running.count == 0
    assert calls._waiting.bytes == 0


async def test_messages_that_cannot_be_read_end_the_stream(server: Assembly, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield request("quick")
        raise OSError("the network is gone")

    with pytest.raises(CallFailed, match="UNAVAILABLE"):
        async for _ in server.in_process.grpc.stream(SERVICE + "ModelStreamInfer", broken(), {}):
            pass
    assert "the network is gone" in caplog.text


async def test_a_server_that_stops_ends_streams_and_waits_for_calls(server: Assembly) -> None:
    calls = server.in_process.grpc

    async def idle() -> AsyncIterator[bytes]:
        yield request("quick")
        await asyncio.Event().wait()

    async def read() -> list[bytes]:
        return [one async for one in calls.stream(SERVICE + "ModelStreamInfer", idle(), {})]

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0)  # it has begun
    assert await server.stop()
    with pytest.raises(CallFailed, match="GRPC server is shutting down"):
        await task
