"""grpcio, sync and aio, as the client: gRPC's own C core decides whether what we say is gRPC."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from echo import MESSAGE, WAIT_S, Served, served

from naiad.wire.grpc.http2.framing.settings import Http2Limits
from naiad.wire.grpc.http2.options import Http2Options

UNBOUNDED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
LARGE = bytes(range(256)) * 80_000
"""20 MB."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address, UNBOUNDED) as opened:
        yield opened


def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("method", ["Echo", "Later"])
@pytest.mark.parametrize("message", [b"", b"hello", b"x" * 20_000, LARGE], ids=len)
def test_unary(channel: grpc.Channel, method: str, message: bytes) -> None:
    assert channel.unary_unary(f"/e/{method}")(message, timeout=WAIT_S) == message


def test_streaming_both_ways(channel: grpc.Channel) -> None:
    messages = [b"a", b"", b"b" * 300_000, b"c"] * 20
    assert list(channel.stream_stream("/e/Echo")(iter(messages), timeout=WAIT_S)) == messages


def test_one_message_at_a_time(channel: grpc.Channel) -> None:
    """An answer comes before the next question is asked."""
    turn = threading.Semaphore(1)

    def questions() -> Iterator[bytes]:
        for number in range(5):
            assert turn.acquire(timeout=WAIT_S)
            yield b"%d" % number

    answers = []
    for answer in channel.stream_stream("/e/Echo")(questions(), timeout=WAIT_S):
        answers.append(answer)
        turn.release()
    assert answers == [b"0", b"1", b"2", b"3", b"4"]


def test_many_answers(channel: grpc.Channel) -> None:
    answers = list(channel.unary_stream("/e/Count")(b"5000", timeout=WAIT_S))
    assert [int(answer) for answer in answers] == list(range(5000))


def test_a_client_of_small_windows_that_reads_slowly(server: Served) -> None:
    options = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0), ("grpc.http2.max_frame_size", 16_384)]
    with grpc.insecure_channel(server.address, options) as channel:
        answers = list(channel.unary_stream("/e/Count")(b"500", timeout=WAIT_S))
    assert [int(answer) for answer in answers] == list(range(500))


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests(channel: grpc.Channel, compression: grpc.Compression) -> None:
    message = b"squeeze " * 10_000
    assert channel.unary_unary("/e/Echo")(message, compression=compression, timeout=WAIT_S) == message


def test_statuses_and_messages(channel: grpc.Channel) -> None:
    assert failure(lambda: channel.unary_unary("/e/Fail")(b"", timeout=WAIT_S)) == (
        grpc.StatusCode.NOT_FOUND,
        MESSAGE.strip(" "),
    )
    assert failure(lambda: channel.unary_unary("/e/What")(b"", timeout=WAIT_S)) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "no method /e/What",
    )


def test_an_answer_before_a_large_request_is_read(channel: grpc.Channel) -> None:
    assert failure(lambda: channel.unary_unary("/e/Early")(LARGE, timeout=WAIT_S))[0] == (
        grpc.StatusCode.FAILED_PRECONDITION
    )
    assert channel.unary_unary("/e/Echo")(b"next", timeout=WAIT_S) == b"next"


def test_metadata(channel: grpc.Channel) -> None:
    sent = (("x-a", "1"), ("x-b", "two words"), ("x-b", "again"), ("x-bin", b"\x00\xff"))
    answer = channel.unary_unary("/e/Metadata")(b"", metadata=sent, timeout=WAIT_S)
    assert answer == repr([("x-a", "1"), ("x-b", "two words,again"), ("x-bin", "AP8")]).encode()


def test_a_deadline_withdraws_the_call(server: Served, channel: grpc.Channel) -> None:
    assert failure(lambda: channel.unary_unary("/e/Never")(b"late", timeout=0.2))[0] == (
        grpc.StatusCode.DEADLINE_EXCEEDED
    )
    assert server.echo.events.get(timeout=WAIT_S) == ("message", b"late")
    assert server.echo.events.get(timeout=WAIT_S) == ("cancel", "/e/Never")


def test_a_client_that_cancels_withdraws_the_call(server: Served, channel: grpc.Channel) -> None:
    call = channel.unary_unary("/e/Never").future(b"never mind")
    assert server.echo.events.get(timeout=WAIT_S) == ("message", b"never mind")
    call.cancel()
    assert server.echo.events.get(timeout=WAIT_S) == ("cancel", "/e/Never")
    assert channel.unary_unary("/e/Echo")(b"next", timeout=WAIT_S) == b"next"


def test_a_client_that_disconnects_withdraws_its_calls(server: Served) -> None:
    channel = grpc.insecure_channel(server.address)
    call = channel.unary_unary("/e/Never").future(b"x")
    assert server.echo.events.get(timeout=WAIT_S) == ("message", b"x")
    channel.close()
    assert server.echo.events.get(timeout=WAIT_S) == ("cancel", "/e/Never")
    assert call.code() == grpc.StatusCode.CANCELLED


def test_many_calls_at_once(channel: grpc.Channel) -> None:
    echo = channel.unary_unary("/e/Later")
    calls = [echo.future(b"%d" % number, timeout=WAIT_S) for number in range(500)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(500)]


def test_more_calls_than_streams_allowed_wait_in_the_client() -> None:
    options = Http2Options(limits=Http2Limits(streams=5))
    with served(options) as running, grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/e/Later")
        assert echo(b"first", wait_for_ready=True, timeout=WAIT_S) == b"first"
        calls = [echo.future(b"%d" % number, timeout=WAIT_S) for number in range(100)]
        assert [call.result() for call in calls] == [b"%d" % number for number in range(100)]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_past_the_limit(compression: grpc.Compression) -> None:
    with served(Http2Options(message_bytes=100_000)) as running, grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/e/Echo")
        code, details = failure(lambda: echo(bytes(100_001), compression=compression, timeout=WAIT_S))
        assert (code, details[:32]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max")
        assert echo(bytes(100_000), compression=compression, timeout=WAIT_S) == bytes(100_000)


def test_metadata_past_the_limit() -> None:
    options = Http2Options(limits=Http2Limits(header_bytes=4000))
    with served(options) as running, grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/e/Echo")
        grpc.channel_ready_future(channel).result(WAIT_S)
        code, _ = failure(lambda: echo(b"", metadata=[("x-long", "v" * 5000)], timeout=WAIT_S))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert echo(b"next", timeout=WAIT_S) == b"next"


async def test_aio_unary_and_streams(server: Served) -> None:
    async with grpc.aio.insecure_channel(server.address, UNBOUNDED) as channel:
        echo = channel.unary_unary("/e/Later")
        answers = await asyncio.gather(*(echo(b"%d" % number, timeout=WAIT_S) for number in range(100)))
        assert answers == [b"%d" % number for number in range(100)]
        assert await echo(LARGE, timeout=WAIT_S) == LARGE
        stream = channel.stream_stream("/e/Echo")(timeout=WAIT_S)
        for message in (b"a", b"b" * 100_000):
            await stream.write(message)
            assert await stream.read() == message
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() == grpc.StatusCode.OK


async def test_aio_cancel_and_deadline(server: Served) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        never = channel.unary_unary("/e/Never")
        call = never(b"x")
        assert await asyncio.to_thread(server.echo.events.get, timeout=WAIT_S) == ("message", b"x")
        call.cancel()
        assert await asyncio.to_thread(server.echo.events.get, timeout=WAIT_S) == ("cancel", "/e/Never")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await never(b"y", timeout=0.1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        for expected in (("message", b"y"), ("cancel", "/e/Never")):
            assert await asyncio.to_thread(server.echo.events.get, timeout=WAIT_S) == expected


@pytest.mark.parametrize("message", [b"", b"short", b"ten bytes " * 500_000], ids=len)
@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_answers_are_compressed_for_clients_that_take_it(channel: grpc.Channel, level: str, message: bytes) -> None:
    """grpcio inflates them; what is longer compressed comes as it is."""
    call = channel.stream_stream("/e/Packed")(iter([message] * 3), timeout=WAIT_S, metadata=[("x-level", level)])
    assert list(call) == [message] * 3


def test_answers_are_not_compressed_for_clients_that_do_not_take_it(server: Served) -> None:
    only_identity = [("grpc.compression_enabled_algorithms_bitset", 1)]
    with grpc.insecure_channel(server.address, only_identity) as plain:
        packed = plain.unary_unary("/e/Packed")
        assert packed(b"x" * 10_000, timeout=WAIT_S, metadata=[("x-level", "low")]) == b"x" * 10_000


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_questions_have_compressed_answers(channel: grpc.Channel, compression: grpc.Compression) -> None:
    packed = channel.unary_unary("/e/Packed")
    message = b"z" * 300_000
    got = packed(message, timeout=WAIT_S, metadata=[("x-level", "high")], compression=compression)
    assert got == message


def test_a_client_that_asks_too_often_is_told_so_and_disconnected() -> None:
    """gRPC's own words, so that its clients ask less often from then on; the next call finds a new connection."""
    eager = [("grpc.keepalive_time_ms", 20), ("grpc.http2.max_pings_without_data", 0)]
    with served() as running, grpc.insecure_channel(running.address, eager) as impatient:
        call = impatient.unary_unary("/e/Never").future(b"x", timeout=WAIT_S)
        error = call.exception(timeout=WAIT_S)
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "too_many_pings" in error.details() or "ping" in error.details().lower()
        assert impatient.unary_unary("/e/Echo")(b"x", timeout=WAIT_S, wait_for_ready=True) == b"x"
