"""Trace settings over gRPC, by Triton's own clients and theirs over HTTP; what is traced of calls and streams."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stations import stations

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
NAMES = stations("GRPC_WAITREAD", "GRPC_SEND")
RAW = np.arange(16, dtype=np.int32).tobytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"


@pytest.fixture(params=["http2", "aio"])
def server(file: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    options = (f"triton,file={file}",)
    with running_server(
        str(SIMPLE), trace_config=options, allow_setting_changes=True, grpc_transport=request.param
    ) as running:
        yield running


def written(server: RunningServer, file: Path) -> dict[str, list[str]]:
    """The moments of every trace, by request id."""
    server.run(lambda: asyncio.sleep(0))  # a trace is handed on just after the answer
    assert server.server.engine.tracing.flush()
    traces: dict[int, list[dict[str, Any]]] = {}
    for entry in json.loads(file.read_bytes()):
        traces.setdefault(entry["id"], []).append(entry)
    return {
        entries[0]["request_id"]: [one["timestamps"][0]["name"] for one in entries[1:]] for entries in traces.values()
    }


def numbers(identity: str, **more: Any) -> bytes:
    inputs = [{"name": name, "datatype": "INT32", "shape": [1, 16]} for name in ("INPUT0", "INPUT1")]
    fields = {"model_name": "simple", "id": identity, "inputs": inputs, "raw_input_contents": [RAW, RAW], **more}
    raw: bytes = message_class("ModelInferRequest")(**fields).SerializeToString()
    return raw


def ask(channel: Any, settings: dict[str, list[str]], model: str = "") -> Any:
    message = message_class("TraceSettingRequest")(model_name=model)
    for key, values in settings.items():
        message.settings[key].value.extend(values)
    try:
        raw = channel.unary_unary(SERVICE + "TraceSetting")(message.SerializeToString(), timeout=30)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    answer = message_class("TraceSettingResponse").FromString(raw).settings
    return {key: list(answer[key].value) for key in answer}


def test_settings(server: RunningServer, file: Path) -> None:
    start = {
        "trace_level": ["OFF"],
        "trace_rate": ["1000"],
        "trace_count": ["-1"],
        "log_frequency": ["0"],
        "trace_file": [str(file)],
        "trace_mode": ["triton"],
    }
    with grpc.insecure_channel(server.grpc_address) as channel:
        assert ask(channel, {}) == ask(channel, {"foo": ["x"]}) == start
        changed = ask(channel, {"trace_rate": ["5"], "trace_level": ["TIMESTAMPS", "TENSORS"]}, "simple")
        assert changed == start | {"trace_rate": ["5"], "trace_level": ["TIMESTAMPS", "TENSORS"]}
        assert ask(channel, {}) == start
        assert ask(channel, {"trace_rate": [], "trace_level": []}, "simple") == start


@pytest.mark.parametrize(
    ("settings", "model", "status", "words"),
    [
        ({}, "nope", "INVALID_ARGUMENT", "Request for unknown model : nope"),
        ({"trace_rate": ["x"]}, "", "INVALID_ARGUMENT", "Unable to parse 'trace_rate', got: x"),
        ({"trace_rate": ["5", "6"]}, "", "INVALID_ARGUMENT", "expect only 1 value for 'trace_rate'"),
        (
            {"trace_count": ["-3"]},
            "",
            "INVALID_ARGUMENT",
            "Unable to parse 'trace_count'. Expecting value >= -1, got: -3",
        ),
        ({"trace_level": ["OFF", "TENSORS"]}, "", "INVALID_ARGUMENT", "Expect only one trace level 'OFF' is specified"),
        ({"trace_file": ["x"]}, "", "UNIMPLEMENTED", "trace file location can not be updated through network protocol"),
        ({"trace_file": []}, "", "UNIMPLEMENTED", "trace file location can not be updated through network protocol"),
    ],
)
@pytest.mark.parametrize("server", ["http2"], indirect=True)
def test_what_is_refused(
    server: RunningServer, settings: dict[str, list[str]], model: str, status: str, words: str
) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        assert ask(channel, settings, model) == (status, words)


def test_calls_streams_and_failures_have_every_station(server: RunningServer, file: Path) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        ask(channel, {"trace_level": ["TIMESTAMPS"], "trace_rate": ["1"]})
        channel.unary_unary(SERVICE + "ModelInfer")(numbers("unary"), timeout=30)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(SERVICE + "ModelInfer")(numbers("refused", model_version="1", outputs=[{"name": "x"}]))
        stream = [numbers("first"), numbers("second"), numbers("bad", outputs=[{"name": "x"}])]
        assert len(list(channel.stream_stream(SERVICE + "ModelStreamInfer")(iter(stream), timeout=30))) == 3
    traces = written(server, file)
    refused = [*NAMES[:3], *NAMES[-3:]]
    expected = {"unary": NAMES, "refused": refused, "first": NAMES, "second": NAMES, "bad": refused}
    assert {identity: sorted(names) for identity, names in traces.items()} == {
        identity: sorted(names) for identity, names in expected.items()
    }
    assert traces["unary"] == NAMES


def test_the_first_byte_and_the_last(server: RunningServer, file: Path) -> None:
    """Of a message in several frames; grpcio does not tell the first."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        ask(channel, {"trace_level": ["TIMESTAMPS"], "trace_rate": ["1"]})
        padding = {"padding": message_class("InferParameter")(string_param="x" * 200_000)}
        channel.unary_unary(SERVICE + "ModelInfer")(numbers("long", parameters=padding), timeout=30)
    assert written(server, file) == {"long": NAMES}
    times = {one["name"]: one["ns"] for entry in json.loads(file.read_bytes()) for one in entry.get("timestamps", ())}
    is_known = server.server.settings.grpc.transport == "http2"
    assert (times["GRPC_WAITREAD_START"] < times["GRPC_WAITREAD_END"]) == is_known


@pytest.mark.parametrize("transport", ["http2", "aio"])
def test_a_cancelled_call_ends_its_trace(tmp_path: Path, file: Path, transport: str) -> None:
    """The model waits for company that never comes; when the client gives up, its request is withdrawn."""
    shutil.copytree(SIMPLE, tmp_path / "simple")
    config = tmp_path / "simple" / "config.pbtxt"
    config.write_text(
        config.read_text() + "dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 60000000 }"
    )
    options = (f"triton,file={file}", "rate=1", "level=TIMESTAMPS")
    with running_server(str(tmp_path / "simple"), trace_config=options, grpc_transport=transport) as server:
        model: Any = server.server.catalog.find("simple")
        with grpc.insecure_channel(server.grpc_address) as channel:
            call = channel.unary_unary(SERVICE + "ModelInfer").future(numbers("given up"), timeout=30)
            server.run(lambda: until(lambda: model.statistics.count_pending() == 1))
            call.cancel()
            server.run(model._scheduler.quiet)
    (entries,) = [json.loads(file.read_bytes())]
    assert [one["timestamps"][0]["name"] for one in entries[1:]] == [*NAMES[:4], *NAMES[-3:]]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 — nothing tells of it
        await asyncio.sleep(0)


@pytest.mark.parametrize("server", ["http2"], indirect=True)
@pytest.mark.parametrize("module", [triton, http], ids=["grpc", "http"])
def test_tritons_clients_get_and_update_the_settings(server: RunningServer, module: Any) -> None:
    address = server.grpc_address if module is triton else server.address

    def plain(settings: Any) -> dict[str, Any]:
        if module is http:
            return {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
        return {key: list(settings.settings[key].value) for key in settings.settings}

    with module.InferenceServerClient(address) as client:
        assert plain(client.get_trace_settings())["trace_level"] == ["OFF"]
        changed = client.update_trace_settings("simple", {"trace_rate": "7", "trace_level": ["TENSORS"]})
        assert (plain(changed)["trace_rate"], plain(changed)["trace_level"]) == (["7"], ["TENSORS"])
        assert plain(client.get_trace_settings("simple")) == plain(changed)
        assert plain(client.get_trace_settings())["trace_rate"] == ["1000"]
        cleared = client.update_trace_settings("simple", {"trace_rate": None, "trace_level": None})
        assert plain(cleared) == plain(client.get_trace_settings())
        with pytest.raises(utils.InferenceServerException, match="trace file location can not be updated"):
            client.update_trace_settings(settings={"trace_file": "x.json"})


@pytest.mark.parametrize("server", ["http2"], indirect=True)
def test_tritons_asynchronous_clients(server: RunningServer) -> None:
    import tritonclient.grpc.aio
    import tritonclient.http.aio

    async def rates() -> list[str]:
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc_address) as client:
            await client.update_trace_settings(settings={"trace_rate": "8"})
            seen = [(await client.get_trace_settings(as_json=True))["settings"]["trace_rate"]["value"][0]]
        async with tritonclient.http.aio.InferenceServerClient(server.address) as client:
            seen += [(await client.get_trace_settings())["trace_rate"]]
            return [*seen, (await client.update_trace_settings(settings={"trace_rate": None}))["trace_rate"]]

    assert asyncio.run(rates()) == ["8", "8", "1000"]
