"""Both clients, through one table of cases, against a loopback server."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import pytest

import naiad
from naiad.client import AsyncClient, AsyncModel, Client, Model, Unreachable
from naiad.core import errors

Ask = Callable[..., Any]
"""ask(address, *calls, **options): open a client, make the calls one after the other, give the last answer."""


def ask_sync(address: str, *calls: Callable[[Any], Any], **options: Any) -> Any:
    with naiad.Client(address, **options) as client:
        return [call(client) for call in calls][-1]


def ask_async(address: str, *calls: Callable[[Any], Any], **options: Any) -> Any:
    async def run() -> Any:
        async with naiad.AsyncClient(address, **options) as client:
            return [await call(client) for call in calls][-1]

    return asyncio.run(run())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param


def test_one_text_gives_plain_values(ask: Ask, server: Any) -> None:
    result = ask(server.address, lambda client: client.model("text")(text="hello"))
    assert (result.echo, result["length"], dict(result)) == ("hello", 5, {"echo": "hello", "length": 5})
    assert (result.model_name, result.model_version) == ("text", "1")


def test_a_list_gives_arrays(ask: Ask, server: Any) -> None:
    texts = ["", "a\0", "naïve 水"]
    result = ask(server.address, lambda client: client.model("text")(texts))
    assert result.echo.tolist() == texts
    assert result.length.tolist() == [0, 2, 10]


def test_several_inputs_by_position_and_name(ask: Ask, server: Any) -> None:
    row = np.arange(16)
    result = ask(server.address, lambda client: client.model("pair")(row, right=[1] * 16))
    assert result.value.tolist() == (row + 1).tolist()
    assert result.value.dtype == np.int32
    both = ask(server.address, lambda client: client.model("pair")(row[None], [[1] * 16]))
    assert both.value.shape == (1, 16)


@pytest.mark.parametrize("datatype", ["BOOL", "UINT8", "INT64", "FP16", "FP32", "FP64", "BF16"])
def test_every_kind_of_number_travels_as_bytes(ask: Ask, server: Any, datatype: str) -> None:
    values = [[True, False]] if datatype == "BOOL" else [[0, 1], [2, 3]]
    result = ask(server.address, lambda client: client.model(datatype)(values))
    assert result.x.tolist() == values
    path, headers, body = server.seen[-1]
    assert path == f"POST /v2/models/{datatype}/infer"
    assert len(body) > int(headers["Inference-Header-Content-Length"])


def test_options_go_into_the_request(ask: Ask, server: Any) -> None:
    result = ask(
        server.address,
        lambda client: client.model("text", version=3)(
            text=["x"], request_id="r1", parameters={"top_k": 2, "labels": ["a", "b,"]}, outputs=["length"], timeout_s=9
        ),
    )
    assert (list(result), result.id, result.parameters) == (
        ["length"],
        "r1",
        {"top_k": 2, "labels": '["a","b,"]'},
    )
    assert server.seen[-1][0] == "POST /v2/models/text/versions/3/infer"


def test_metadata_is_asked_once(ask: Ask, server: Any) -> None:
    ask(server.address, *[lambda client: client.model("text")(text="x")] * 3)
    assert [path for path, _, _ in server.seen] == ["GET /v2/models/text", *["POST /v2/models/text/infer"] * 3]


def test_metadata_is_asked_again_after_a_refusal(server: Any) -> None:
    with Client(server.address) as client:
        model = client.model("text")
        with pytest.raises(errors.InvalidRequest, match="unexpected inference output"):
            model(text="x", outputs=["nonsense"])
        model(text="x")
    assert [path for path, _, _ in server.seen].count("GET /v2/models/text") == 2


def test_what_a_server_says_of_itself(ask: Ask, server: Any) -> None:
    assert ask(server.address, lambda client: client.is_live()) is True
    assert ask(server.address, lambda client: client.is_ready()) is True
    assert ask(server.address, lambda client: client.metadata()).extensions == ("binary_tensor_data",)
    assert [(one.name, one.version, one.state) for one in ask(server.address, lambda client: client.index())] == [
        ("text", "1", "READY"),
        ("broken", "", ""),
    ]
    assert ask(server.address, lambda client: client.statistics()) == {"model_stats": []}


def test_what_a_model_says_of_itself(ask: Ask, server: Any) -> None:
    metadata = ask(server.address, lambda client: client.model("pair").metadata())
    assert [(one.name, one.datatype, one.shape) for one in metadata.inputs] == [
        ("left", "INT32", (-1, 16)),
        ("right", "INT32", (-1, 16)),
    ]
    assert ask(server.address, lambda client: client.model("pair").config()) == {"name": "pair"}
    assert ask(server.address, lambda client: client.model("pair").statistics()) == {"model_stats": []}
    assert ask(server.address, lambda client: client.model("pair").is_ready()) is True
    assert ask(server.address, lambda client: client.model("loading").is_ready()) is False


@pytest.mark.parametrize(
    ("call", "expected", "words"),
    [
        (lambda client: client.model("nope")("x"), errors.NotFound, "unknown model: 'nope'"),
        (lambda client: client.model("nope").is_ready(), errors.NotFound, "unknown model: 'nope'"),
        (lambda client: client.model("text")(txt="x"), errors.InvalidRequest, "no input 'txt' .* mean 'text'"),
        (lambda client: client.model("text")("x", "y"), errors.InvalidRequest, "takes 1 inputs .* got 2"),
        (lambda client: client.model("text")("x", text="y"), errors.InvalidRequest, "both by position and by name"),
        (lambda client: client.model("text")("x", timeout_s=0), errors.InvalidConfiguration, "more than 0"),
        (lambda client: client.model("text")("x", parameters={"a": object()}), errors.InvalidRequest, "plain values"),
    ],
)
def test_mistakes_get_typed_errors(ask: Ask, server: Any, call: Any, expected: type, words: str) -> None:
    with pytest.raises(expected, match=words) as caught:
        ask(server.address, call)
    assert type(caught.value) is expected


def test_nobody_there(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=rf"no server answers at http://127.0.0.1:{port} .*naiad serve"):
        ask(f"127.0.0.1:{port}", lambda client: client.is_live())


def test_a_silent_server(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(errors.DeadlineExceeded, match=rf"no answer from http://{address} within 0.05 s"):
            ask(address, lambda client: client.is_live(), timeout_s=0.05)


@pytest.mark.parametrize("said", [b"", b"220 mail ready\r\n"])
def test_something_else_listens_there(ask: Ask, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(100)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unreachable, match="HTTP port of an inference server"):
            ask(f"127.0.0.1:{other.getsockname()[1]}", lambda client: client.metadata(), timeout_s=5)
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>welcome</html>", {}),
        (200, b"[]", {}),
        (200, b'{"name":"text"}', {}),
        (200, b'{"inputs":3,"outputs":[],"name":"text"}', {}),
        (500, b'{"error":"boom"}', {}),
        (302, b"", {"Location": "/elsewhere"}),
    ],
)
def test_an_answer_that_is_not_v2_is_a_failure(
    ask: Ask, server: Any, status: int, body: bytes, headers: dict[str, str]
) -> None:
    server.canned = (status, body, headers)
    with pytest.raises(errors.Failed):
        ask(server.address, lambda client: client.model("text")("x"))


@pytest.mark.parametrize(
    ("document", "tail", "header_length"),
    [
        ({"model_name": "text"}, b"", None),
        ({"outputs": []}, b"", None),
        ({"model_name": "text", "outputs": [{"name": "y"}]}, b"", None),
        ({"model_name": "t", "outputs": [{"name": "y", "datatype": "XX", "shape": [1], "data": [1]}]}, b"", None),
        ({"model_name": "t", "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1]}]}, b"", None),
        ({"model_name": "t", "outputs": [{"name": "y", "datatype": "BYTES", "shape": [1], "data": [1]}]}, b"", None),
        (
            {
                "model_name": "t",
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}],
            },
            b"1234",
            None,
        ),
        ({"model_name": "t", "outputs": []}, b"", "many"),
    ],
)
def test_an_inference_that_is_not_v2_is_a_failure(
    server: Any, document: Any, tail: bytes, header_length: str | None
) -> None:
    with Client(server.address) as client:
        model = client.model("text")
        model.metadata()
        header = orjson.dumps(document)
        length = header_length or str(len(header))
        server.canned = (200, header + tail, {"Inference-Header-Content-Length": length})
        with pytest.raises(errors.Failed, match="does not follow the v2 protocol"):
            model("x")


def test_outputs_inside_the_json_are_read_too(server: Any) -> None:
    """Some servers answer JSON whatever was asked for."""
    outputs = [
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2]},
        {"name": "b", "datatype": "BYTES", "shape": [2, 1], "data": [["x"], ["ä"]]},
        {"name": "c", "datatype": "BOOL", "shape": [1], "data": [True]},
    ]
    with Client(server.address) as client:
        model = client.model("text")
        model.metadata()
        server.canned = (200, orjson.dumps({"model_name": "t", "model_version": "1", "outputs": outputs}), {})
        result = model("x")
    assert (result.a.tolist(), result.b.tolist(), result.c.tolist()) == ([[1.5, 2.0]], [["x"], ["ä"]], [True])


def test_threads_share_a_client(server: Any) -> None:
    texts = [str(number) * number for number in range(64)]
    with Client(server.address, connections=4) as client, ThreadPoolExecutor(16) as pool:
        model = client.model("text")
        assert list(pool.map(lambda text: model(text=text).echo, texts)) == texts


async def test_tasks_share_a_client(server: Any) -> None:
    texts = [str(number) * number for number in range(64)]
    async with AsyncClient(server.address, connections=4) as client:
        results = await asyncio.gather(*(client.model("text")(text=text) for text in texts))
    assert [result.echo for result in results] == texts


def test_headers_travel(ask: Ask, server: Any) -> None:
    ask(server.address, lambda client: client.is_live(), headers={"Authorization": "Bearer x"})
    assert server.seen[-1][1]["Authorization"] == "Bearer x"
    assert server.seen[-1][1]["User-Agent"] == f"naiad/{naiad.__version__}"


def test_the_environment_does_not_redirect(ask: Ask, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert ask(server.address, lambda client: client.is_live()) is True


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("", {}),
        ("ftp://host", {}),
        ("host:port", {}),
        ("host:99999", {}),
        ("http://user@host", {}),
        ("http://host/?a=b", {}),
        ("host", {"timeout_s": 0}),
        ("host", {"timeout_s": float("nan")}),
        ("host", {"connections": 0}),
    ],
)
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_a_wrong_address_or_option_is_refused(cls: Any, address: str, options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidConfiguration):
        cls(address, **options)


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Model, AsyncModel)])
def test_the_twins_agree(one: type, other: type) -> None:
    """Same methods, same parameters, same words; the async one waits where the other blocks."""

    def methods(cls: type) -> dict[str, str]:
        return {
            name: str(inspect.signature(value)).replace("Async", "")
            for name, value in vars(cls).items()
            if callable(value) and (not name.startswith("_") or name in ("__init__", "__call__"))
        }

    assert methods(one) == methods(other)
    for name in methods(one):
        assert (inspect.getdoc(getattr(one, name)) or "").replace("Infer. `", "Infer. `await ") == (
            inspect.getdoc(getattr(other, name)) or ""
        ), name
