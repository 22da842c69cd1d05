"""Models that answer any number of times, on the real doors; what is asserted was seen on the real server (2.51)."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from repeat_model import Repeat

from naiad.core.errors import Failed
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor
from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

ONE_ANSWER = (
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number "
    "of responses"
)


class Doors:
    """A running server with a decoupled model, and two that are not."""

    def __init__(self, running: RunningServer, channel: Any) -> None:
        self.running, self.channel = running, channel
        self.repeat, self.plain, self.slow = Repeat(), Repeat("plain", decoupled=False), Repeat("slow", decoupled=False)

        async def add() -> None:
            for model in (self.repeat, self.plain, self.slow):
                running.server.engine.catalog.add(model)

        running.run(add)

    def post(self, path: str, document: Any) -> tuple[int, str]:
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.running.url}/v2/models/{path}", raw)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def infer(self, *values: int, model: str = "repeat", **parameters: Any) -> Any:
        try:
            raw = self.channel.unary_unary(SERVICE + "ModelInfer")(message(*values, model=model, **parameters))
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return message_class("ModelInferResponse").FromString(raw)

    def stream(self, *messages: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> list[Any]:
        """Every answer of a stream, and at the end its status where that is not OK."""
        told: list[Any] = []
        call = self.channel.stream_stream(SERVICE + "ModelStreamInfer")(iter(messages), timeout=60, metadata=metadata)
        try:
            told.extend(seen(raw) for raw in call)
        except grpc.RpcError as error:
            told.append((error.code().name, error.details()))
        return told

    def responses(self, model: str = "repeat") -> dict[str, dict[str, int]]:
        """Counts of response_stats, over both doors."""
        with urllib.request.urlopen(f"{self.running.url}/v2/models/{model}/stats", timeout=30) as answer:
            rows = json.loads(answer.read())["model_stats"][0]["response_stats"]
        raw = self.channel.unary_unary(SERVICE + "ModelStatistics")(
            message_class("ModelStatisticsRequest")(name=model).SerializeToString()
        )
        told = message_class("ModelStatisticsResponse").FromString(raw).model_stats[0].response_stats
        over_http = {index: {name: field["count"] for name, field in row.items()} for index, row in rows.items()}
        assert over_http == {
            index: {name: getattr(row, name).count for name in over_http[index]} for index, row in told.items()
        }
        return over_http


@pytest.fixture
def doors() -> Iterator[Doors]:
    with running_server() as running, grpc.insecure_channel(running.grpc_address) as channel:
        yield Doors(running, channel)


def message(*values: int, model: str = "repeat", id: str = "", **parameters: Any) -> bytes:  # noqa: A002
    contents = {"int_contents": values}
    made = message_class("ModelInferRequest")(model_name=model, id=id)
    made.inputs.add(name="IN", datatype="INT32", shape=[len(values)], contents=contents)
    for key, value in parameters.items():
        kind = "bool_param" if isinstance(value, bool) else "int64_param"
        setattr(made.parameters[key], kind, value)
    raw: bytes = made.SerializeToString()
    return raw


def seen(raw: bytes) -> tuple[str, str, str, bool | None, list[int] | str]:
    """Id, model, version, final flag (None: there is none), and values or error."""
    made = message_class("ModelStreamInferResponse").FromString(raw)
    response = made.infer_response
    flag = response.parameters["triton_final_response"].bool_param if response.parameters else None
    values = [int(np.frombuffer(one, np.int32)[0]) for one in response.raw_output_contents]
    return response.id, response.model_name, response.model_version, flag, made.error_message or values


def one(value: int, *, final: bool = False, id: str = "a", model: str = "repeat") -> tuple[Any, ...]:  # noqa: A002
    return id, model, "1", final, [value]


END = ("a", "repeat", "", True, [])
BROKEN = ("a", "repeat", "", False, "broken")


@pytest.mark.parametrize(
    ("values", "parameters", "answers"),
    [
        ((1, 2), {}, [one(1), one(2)]),
        ((), {}, []),
        ((1, 2), {"triton_enable_empty_final_response": True}, [one(1), one(2), END]),
        ((1,), {"triton_enable_empty_final_response": False}, [one(1)]),
        ((), {"triton_enable_empty_final_response": True}, [END]),
        ((1, 2), {"end_with_last": True}, [one(1), one(2, final=True)]),
        ((1,), {"end_with_last": True, "triton_enable_empty_final_response": True}, [one(1, final=True)]),
        ((1, 2, 3), {"error_at": 1}, [one(1), BROKEN, one(3)]),
        ((1, 2), {"error_at": 1, "end_with_last": True}, [one(1), ("a", "repeat", "", True, "broken")]),
        ((1, 2), {"error_at": 0, "triton_enable_empty_final_response": True}, [BROKEN, one(2), END]),
    ],
)
def test_a_stream_carries_every_answer(
    doors: Doors, values: tuple[int, ...], parameters: dict[str, Any], answers: list[Any]
) -> None:
    assert doors.stream(message(*values, id="a", **parameters)) == answers


def test_an_error_ends_the_stream_where_the_client_wants_that(doors: Doors) -> None:
    wanted = (("triton_grpc_error", "true"),)
    broken = message(1, 2, id="a", error_at=1)
    assert doors.stream(broken, message(3, id="b"), metadata=wanted) == [one(1), ("INTERNAL", "broken")]
    assert doors.stream(message(1, id="a"), message(2, id="b"), metadata=wanted) == [one(1), one(2, id="b")]
    assert doors.stream(message(1, model="nope"), metadata=wanted) == [
        ("NOT_FOUND", "Request for unknown model: 'nope' is not found")
    ]
    for value in ("True", "1", ""):
        assert doors.stream(broken, metadata=(("triton_grpc_error", value),)) == [one(1), BROKEN]


def test_what_is_refused_before_the_model_has_no_final_flag(doors: Doors) -> None:
    (unknown,) = doors.stream(message(1, model="nope", id="a"))
    assert unknown == ("a", "", "", None, "Request for unknown model: 'nope' is not found")


class Stream:
    """A stream that stays open: what is sent and what comes, step by step."""

    def __init__(self, doors: Doors) -> None:
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        messages = iter(self._out.get, None)
        self.call = doors.channel.stream_stream(SERVICE + "ModelStreamInfer")(messages, timeout=60)

    def send(self, *messages: bytes | None) -> None:
        for raw in messages:
            self._out.put(raw)

    def next(self) -> Any:
        return seen(next(self.call))


def test_decoupled_answers_hold_nobody_up_and_others_keep_their_order(doors: Doors) -> None:
    stream = Stream(doors)
    stream.send(message(1, 2, id="long", held=True), message(5, id="short"))
    assert stream.next() == one(5, id="short")
    stream.send(message(7, id="plain", model="plain"), message(1, model="nope", id="bad"))
    assert stream.next() == one(7, id="plain", model="plain")
    assert stream.next()[0] == "bad"
    # Two that are not decoupled: the second waits for the first, while the decoupled one goes on.
    stream.send(message(8, id="first", model="slow", held=True), message(9, id="second", model="plain"))
    stream.send(message(6, id="sixth"))
    assert stream.next() == one(6, id="sixth")
    doors.running.run(lambda: doors.repeat.step("long"))
    assert stream.next() == one(1, id="long")
    for _ in range(2):
        doors.running.run(lambda: doors.slow.step("first"))
    assert stream.next() == one(8, id="first", model="slow")
    assert stream.next() == one(9, id="second", model="plain")
    stream.send(None)
    for _ in range(2):
        doors.running.run(lambda: doors.repeat.step("long"))
    assert stream.next() == one(2, id="long")
    assert list(stream.call) == []


def test_a_client_that_leaves_withdraws_every_request_of_its_stream(doors: Doors) -> None:
    stream = Stream(doors)
    stream.send(message(1, 2, id="a", held=True), message(1, 2, id="b", held=True), message(9, id="here"))
    assert stream.next() == one(9, id="here")
    doors.running.run(lambda: doors.repeat.step("a"))
    assert stream.next() == one(1, id="a")
    stream.call.cancel()
    assert sorted(doors.repeat.cancelled.get(timeout=30) for _ in range(2)) == ["a", "b"]
    rows = doors.responses()
    assert (rows["0"]["cancel"], rows["1"]["cancel"], rows["1"]["empty_response"]) == (1, 1, 1)


@pytest.mark.parametrize("body", [{"inputs": []}, {"inputs": 5}, b"{"])
def test_infer_over_http_refuses_before_it_reads(doors: Doors, body: Any) -> None:
    status, told = doors.post("repeat/infer", body)
    words = "HTTP end point doesn't support models with decoupled transaction policy"
    assert (status, json.loads(told)) == (501, {"error": words})


def test_infer_over_grpc_refuses_before_it_reads(doors: Doors) -> None:
    words = "ModelInfer RPC doesn't support models with decoupled transaction policy"
    assert doors.infer(1) == ("UNIMPLEMENTED", words)
    assert doors.infer(1, triton_x=1) == ("UNIMPLEMENTED", words)
    status, told = doors.post("repeat/versions/9/infer", {"inputs": []})
    assert (status, told) == (404, '{"error":"Request for unknown model: \'repeat\' version 9 is not found"}')


@pytest.mark.parametrize(("values", "count"), [((), 0), ((1, 2), 2), ((1, 2, 3), 3)])
def test_a_model_that_breaks_its_promise_of_one_answer(doors: Doors, values: tuple[int, ...], count: int) -> None:
    words = f"expected a single response, got {count}"
    inputs = [{"name": "IN", "datatype": "INT32", "shape": [len(values)], "data": values}]
    assert doors.post("plain/infer", {"inputs": inputs}) == (500, json.dumps({"error": words}, separators=(",", ":")))
    assert doors.infer(*values, model="plain") == ("INTERNAL", words)
    tensor = Tensor("IN", "INT32", np.array(values, np.int32))
    with pytest.raises(Failed, match=words):
        doors.running.run(lambda: doors.running.server.engine.infer(InferRequest("plain", inputs={"IN": tensor})))


def test_one_answer_and_a_separate_end_is_one_answer(doors: Doors) -> None:
    inputs = [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [4]}]
    status, told = doors.post("plain/infer", {"inputs": inputs})
    assert (status, json.loads(told)["outputs"][0]["data"]) == (200, [4])
    assert doors.infer(4, model="plain").raw_output_contents[0] == np.int32(4).tobytes()


@pytest.mark.parametrize("model", ["repeat", "plain"])
def test_generate_takes_one_answer(doors: Doors, model: str) -> None:
    status, told = doors.post(f"{model}/generate", {"IN": 5})
    assert (status, json.loads(told)) == (200, {"model_name": model, "model_version": "1", "OUT": 5})
    for values in ([], [1, 2]):
        status, told = doors.post(f"{model}/generate", {"IN": values})
        assert (status, json.loads(told)) == (500, {"error": ONE_ANSWER})
    assert doors.post(f"{model}/generate", {"IN": 5, "error_at": 0}) == (500, '{"error":"broken"}')


def test_generate_stream_takes_any_number(doors: Doors) -> None:
    def event(value: int) -> str:
        return f'data: {{"OUT":{value},"model_name":"repeat","model_version":"1"}}\n\n'

    broken = 'data: {"error":"broken"}\n\n'
    assert doors.post("repeat/generate_stream", {"IN": [1, 2]}) == (200, event(1) + event(2))
    assert doors.post("repeat/generate_stream", {"IN": []}) == (200, "")
    assert doors.post("repeat/generate_stream", {"IN": [1, 2], "end_with_last": True}) == (200, event(1) + event(2))
    told = doors.post("repeat/generate_stream", {"IN": [1, 2, 3], "error_at": 1})
    assert told == (200, event(1) + broken + event(3))
    assert doors.post("repeat/generate_stream", {"IN": [1], "error_at": 0}) == (500, broken)


@pytest.mark.parametrize("route", ["generate", "generate_stream"])
def test_a_client_that_closes_its_connection_withdraws_its_request(doors: Doors, route: str) -> None:
    body = json.dumps({"id": "gone", "IN": [1, 2], "held": True}).encode()
    head = f"POST /v2/models/repeat/{route} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(doors.running.address.split(":"), timeout=30) as client:
        client.sendall(head + body)
        assert doors.repeat.arrived.get(timeout=30) == "gone"
        doors.running.run(lambda: doors.repeat.step("gone"))
        if route == "generate_stream":
            assert b'"OUT":1' in client.recv(4096)
    assert doors.repeat.cancelled.get(timeout=30) == "gone"
    doors.running.run(lambda: doors.repeat.step("gone"))  # what the model says now nobody hears
    assert doors.responses()["1"]["cancel"] == 1


def test_a_client_that_is_only_done_with_sending_gets_its_stream_to_the_end(doors: Doors) -> None:
    """To tell it from one that is gone, a zero is sent in front of the next chunk's size, which changes nothing."""
    body = json.dumps({"id": "here", "IN": [1, 2], "held": True}).encode()
    head = f"POST /v2/models/repeat/generate_stream HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(doors.running.address.split(":"), timeout=30) as client:
        client.sendall(head + body)
        assert doors.repeat.arrived.get(timeout=30) == "here"
        doors.running.run(lambda: doors.repeat.step("here"))
        response = http.client.HTTPResponse(client)
        response.begin()
        assert b'"OUT":1' in response.readline()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1, socket.MSG_PEEK) == b"0"
        for _ in range(2):
            doors.running.run(lambda: doors.repeat.step("here"))
        assert b'"OUT":2' in response.read()


def test_statistics_of_responses(doors: Doors) -> None:
    assert doors.responses() == {}
    doors.stream(message(1, 2), message(1, 2, error_at=1, end_with_last=True), message())
    zero = dict.fromkeys(("compute_infer", "compute_output", "success", "fail", "empty_response", "cancel"), 0)
    assert doors.responses() == {
        "0": zero | {"compute_infer": 3, "compute_output": 2, "success": 2, "empty_response": 1},
        "1": zero | {"compute_infer": 2, "compute_output": 2, "success": 1, "fail": 1},
        "2": zero | {"compute_infer": 1, "empty_response": 1},
    }
    assert doors.responses("plain") == {}


def test_sequence_parameters_reach_the_model(doors: Doors) -> None:
    doors.stream(message(1, sequence_id=7, sequence_start=True), message(1, sequence_id=7, sequence_end=True))
    parameters = {"sequence_id": "seven", "sequence_start": True, "timeout": 5, "priority": 2}
    doors.post("repeat/generate", {"IN": 1, **parameters})
    inputs = [{"name": "IN", "datatype": "INT32", "shape": [1], "data": [4]}]
    doors.post("plain/infer", {"inputs": inputs, "parameters": parameters})
    steps = [request.sequence for request in (*doors.repeat.seen, *doors.plain.seen)]
    told = [(step.id, step.is_first, step.is_last) for step in steps if step is not None]
    assert told == [(7, True, False), (7, False, True), ("seven", True, False), ("seven", True, False)]
    assert {(request.priority, request.timeout_us) for request in (doors.repeat.seen[-1], doors.plain.seen[-1])} == {
        (2, 5)
    }
