"""What Triton's clients can be told besides: sequences, time limits, compression, headers, plugins, TLS, streams."""

from __future__ import annotations

import asyncio
import gzip
import json
import queue
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from side import EACH_SIDE, SIDES, Side, opened

from naiad.core.message import InferRequest, SequenceStep
from naiad.testing import RunningServer, running_server

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"

SUMS = [list(range(1, 17))]


def last_seen(side: Side) -> InferRequest:
    """The request as the model got it."""
    seen: InferRequest = side.served.plain.seen[-1]
    return seen


@EACH_SIDE
@pytest.mark.parametrize(
    ("given", "step"),
    [
        ({}, None),
        ({"sequence_id": 7, "sequence_start": True}, SequenceStep(7, is_first=True)),
        ({"sequence_id": 2**63 - 1, "sequence_end": True}, SequenceStep(2**63 - 1, is_last=True)),
        ({"sequence_id": "seven"}, SequenceStep("seven")),
        ({"sequence_id": "", "sequence_start": True}, None),
    ],
)
async def test_sequences(side: str, served: Any, given: dict[str, Any], step: SequenceStep | None) -> None:
    async with opened(side, served) as made:
        await made.call("infer", "plain", made.values(1), **given)
        assert last_seen(made).sequence == step
        error = await made.fails("infer", "plain", made.values(1), sequence_id="x" * 129)
        assert "string correlation ID cannot be longer than 128 characters" in str(error)


@EACH_SIDE
async def test_parameters_priority_and_timeout(side: str, served: Any) -> None:
    own = {"text": "hi", "flag": True, "number": 3}
    async with opened(side, served) as made:
        await made.call("infer", "plain", made.values(1), priority=2, timeout=5, parameters=own)
        request = last_seen(made)
        assert (request.priority, request.timeout_us, request.parameters) == (2, 5, own)


@EACH_SIDE
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_compression(side: str, served: Any, algorithm: str) -> None:
    async with opened(side, served) as made:
        named = (
            {"compression_algorithm": algorithm}
            if made.is_grpc
            else {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        )
        inputs = [made.input(name, np.ones((8, 16), np.int32)) for name in ("INPUT0", "INPUT1")]
        result = await made.call("infer", "simple", inputs, **named)
        assert result.as_numpy("OUTPUT0").tolist() == [[2] * 16] * 8


@EACH_SIDE
async def test_headers_and_query_parameters(side: str, served: Any) -> None:
    named: dict[str, Any] = {"headers": {"x-mine": "1"}}
    if not side.startswith("grpc"):
        named["query_params"] = {"a": "b c", "d": ["e", "f"]}
    async with opened(side, served, verbose=False) as made:
        assert await made.call("is_server_ready", **named)
        result = await made.call("infer", "simple", made.numbers(), **named)
        assert result.as_numpy("OUTPUT0").tolist() == SUMS


@EACH_SIDE
async def test_data_of_every_kind(side: str, served: Any) -> None:
    words = np.array([[str(n).encode() for n in range(16)]], object)
    async with opened(side, served) as made:
        inputs = [made.input(name, words, "BYTES") for name in ("INPUT0", "INPUT1")]
        result = await made.call("infer", "simple_string", inputs)
        assert [int(word) for word in result.as_numpy("OUTPUT0").ravel()] == list(range(0, 32, 2))
        if not made.is_grpc:
            for one in inputs:
                one.set_data_from_numpy(words, binary_data=False)
            outputs = [made.output("OUTPUT1", binary_data=False)]
            result = await made.call("infer", "simple_string", inputs, outputs=outputs)
            assert set(result.as_numpy("OUTPUT1").ravel().tolist()) == {"0"}


@EACH_SIDE
async def test_many_at_once(side: str, served: Any) -> None:
    options = {"concurrency": 8} if side == "http" else {}
    async with opened(side, served, **options) as made:
        if made.is_async:
            results = await asyncio.gather(*(made.call("infer", "simple", made.numbers(n)) for n in range(64)))
        elif made.is_grpc:
            done: queue.SimpleQueue[Any] = queue.SimpleQueue()
            for n in range(64):
                made.client.async_infer("simple", made.numbers(n), lambda result, error: done.put(error or result))
            results = [done.get(timeout=30) for _ in range(64)]
        else:
            waiting = [made.client.async_infer("simple", made.numbers(n)) for n in range(64)]
            results = [one.get_result() for one in waiting]
        assert sorted(result.as_numpy("OUTPUT0")[0, 0] for result in results) == list(range(64))


async def cancelled(side: Side) -> str:
    """The id of the next request that is withdrawn."""
    return str(await asyncio.to_thread(side.served.plain.cancelled.get, timeout=30))


async def arrival(side: Side, identity: str) -> None:
    """Wait until a held request is at the model."""
    while await asyncio.to_thread(side.served.plain.arrived.get, timeout=30) != identity:
        pass


@pytest.mark.parametrize(("side", "transport"), [one for one in SIDES if one[0] != "http"], indirect=["transport"])
async def test_a_client_that_waits_no_longer_withdraws_its_request(side: str, served: Any) -> None:
    held: dict[str, Any] = {"request_id": "held", "parameters": {"held": True}}
    async with opened(side, served) as made:
        assert await made.call("is_server_live")  # the connection is there: what is left of the time is the call's own
        if made.is_grpc:
            error = await made.fails("infer", "plain", made.values(1), client_timeout=0.5, **held)
            assert "DEADLINE_EXCEEDED" in str(error.status())
        else:
            task = asyncio.ensure_future(made.call("infer", "plain", made.values(1), **held))
            await arrival(made, "held")
            task.cancel()
        assert await cancelled(made) == "held"


@pytest.mark.parametrize("transport", ["http2"], indirect=True)
async def test_the_sync_http_clients_network_timeout(served: Any) -> None:
    with pytest.raises(TimeoutError, match="timed out"):
        async with opened("http", served, network_timeout=0.2, connection_timeout=5.0) as made:
            await made.call("infer", "plain", made.values(1), request_id="slow", parameters={"held": True})
    assert served.plain.cancelled.get(timeout=30) == "slow"


STREAMS = pytest.mark.parametrize(
    ("side", "transport"), [one for one in SIDES if one[0].startswith("grpc")], indirect=["transport"]
)


@STREAMS
async def test_a_unary_call_can_be_cancelled(side: str, served: Any) -> None:
    held: dict[str, Any] = {"request_id": "gone", "parameters": {"held": True}}
    async with opened(side, served) as made:
        if made.is_async:
            task = asyncio.ensure_future(made.client.infer("plain", made.values(1), **held))
            await arrival(made, "gone")
            task.cancel()
        else:
            told: queue.SimpleQueue[Any] = queue.SimpleQueue()
            call = made.client.async_infer(
                "plain", made.values(1), lambda result, error: told.put(error or result), **held
            )
            await arrival(made, "gone")
            call.cancel()
            assert "cancelled" in str(told.get(timeout=30)).lower()
        assert await cancelled(made) == "gone"


@STREAMS
async def test_leaving_a_stream_withdraws_what_is_under_way(side: str, served: Any) -> None:
    held: dict[str, Any] = {"request_id": "open", "parameters": {"held": True}}
    async with opened(side, served) as made:
        if made.is_async:

            async def requests() -> AsyncIterator[dict[str, Any]]:
                yield {"model_name": "simple", "inputs": made.numbers()}
                yield {"model_name": "plain", "inputs": made.values(1), **held}
                await asyncio.Event().wait()

            stream = made.client.stream_infer(requests())
            assert (await anext(stream))[0].as_numpy("OUTPUT0").tolist() == SUMS
            await arrival(made, "open")
            stream.cancel()
        else:
            told: queue.SimpleQueue[Any] = queue.SimpleQueue()
            made.client.start_stream(lambda result, error: told.put(error or result), headers={"x": "y"})
            made.client.async_stream_infer("plain", made.values(1), **held)
            made.client.async_stream_infer("repeat", made.values(1))
            assert told.get(timeout=30).as_numpy("OUT")[0] == 1
            made.client.stop_stream(cancel_requests=True)
        assert await cancelled(made) == "open"


@STREAMS
@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
async def test_sequences_over_a_stream(side: str, served: Any, algorithm: str | None) -> None:
    steps = [{"sequence_id": "s", "sequence_start": at == 0, "sequence_end": at == 2} for at in range(3)]
    async with opened(side, served) as made:
        if made.is_async:

            async def requests() -> AsyncIterator[dict[str, Any]]:
                for step in steps:
                    yield {"model_name": "plain", "inputs": made.values(4), **step}

            stream = made.client.stream_infer(requests(), compression_algorithm=algorithm, stream_timeout=60.0)
            results = [result async for result, _ in stream]
        else:
            told: queue.SimpleQueue[Any] = queue.SimpleQueue()
            made.client.start_stream(
                lambda result, error: told.put(error or result),
                compression_algorithm=algorithm,
                stream_timeout=60.0,
            )
            for step in steps:
                made.client.async_stream_infer("plain", made.values(4), **step)
            results = [told.get(timeout=30) for _ in steps]
            made.client.stop_stream()
        assert [result.as_numpy("OUT")[0] for result in results] == [4, 4, 4]
        found = [request.sequence for request in served.plain.seen[-3:]]
        assert found == [SequenceStep("s", is_first=True), SequenceStep("s"), SequenceStep("s", is_last=True)]


@STREAMS
async def test_keepalive(side: str, served: Any) -> None:
    """Pings while a call waits, as often as the server allows by default."""
    grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed (requirements/dev.txt)")
    often = grpc.KeepAliveOptions(keepalive_time_ms=300_000, keepalive_permit_without_calls=True)
    limit = ("grpc.max_receive_message_length", -1)
    for options in ({"keepalive_options": often}, {"channel_args": [limit]}):
        async with opened(side, served, **options) as made:
            result = await made.call("infer", "simple", made.numbers())
            assert result.as_numpy("OUTPUT0").tolist() == SUMS


@pytest.fixture(scope="module")
def guarded() -> Iterator[RunningServer]:
    """Inference only for those who bring the header that a plugin can add."""
    with running_server(
        str(SIMPLE),
        http_restricted_api=("inference:authorization=Basic dXNlcjpzZWNyZXQ=",),
        grpc_restricted_protocol=("inference:key=value",),
    ) as running:
        yield running


@pytest.mark.parametrize("side", ["http", "http.aio", "grpc", "grpc.aio"])
async def test_plugins_change_what_is_sent(side: str, guarded: RunningServer) -> None:
    auth = pytest.importorskip("tritonclient.http.auth", reason="tritonclient is not installed")
    base = pytest.importorskip("tritonclient._plugin").InferenceServerClientPlugin

    class Key(base):  # type: ignore[misc] # the class of another project, without types
        def __call__(self, request: Any) -> None:
            request.headers["triton-grpc-protocol-key"] = "value"

    served = type("Served", (), {"running": guarded})
    async with opened(side, served) as made:
        assert "restricted" in str(await made.fails("infer", "simple", made.numbers()))
        made.client.register_plugin(Key() if made.is_grpc else auth.BasicAuth("user", "secret"))
        result = await made.call("infer", "simple", made.numbers())
        assert result.as_numpy("OUTPUT0").tolist() == SUMS


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    """TLS on both doors, and who signed their certificate."""
    trustme = pytest.importorskip("trustme", reason="trustme is not installed (requirements/dev.txt)")
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    files = {f"{door}_tls_{what}": str(folder / f"{what}.pem") for door in ("http", "grpc") for what in ("cert", "key")}
    with running_server(str(SIMPLE), **files) as running:
        yield running, folder / "ca.pem"


@pytest.mark.parametrize("side", ["http", "http.aio", "grpc", "grpc.aio"])
async def test_tls(side: str, secure: tuple[RunningServer, Path]) -> None:
    running, authority = secure
    options: dict[str, Any] = {
        "http": {"ssl_context_factory": lambda: ssl.create_default_context(cafile=authority)},
        "http.aio": {"ssl_context": ssl.create_default_context(cafile=authority)},
    }.get(side, {"root_certificates": str(authority)})
    async with opened(side, type("Served", (), {"running": running}), ssl=True, **options) as made:
        result = await made.call("infer", "simple", made.numbers())
        assert result.as_numpy("OUTPUT0").tolist() == SUMS


@pytest.mark.parametrize("transport", ["http2"], indirect=True)
async def test_the_bodies_that_the_http_client_compresses_are_that(served: Any) -> None:
    """And a server that answers uncompressed to those who do not ask, so that any HTTP client can read it."""
    import http.client

    async with opened("http", served) as made:
        body, length = made.module.InferenceServerClient.generate_request_body(made.numbers())
    connection = http.client.HTTPConnection(served.running.address, timeout=30)
    headers = {"Content-Encoding": "gzip", "Inference-Header-Content-Length": str(length)}
    connection.request("POST", "/v2/models/simple/infer", gzip.compress(body), headers)
    answer = connection.getresponse()
    raw, size = answer.read(), int(answer.headers["Inference-Header-Content-Length"])
    connection.close()
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, None)
    assert json.loads(raw[:size])["model_name"] == "simple"
