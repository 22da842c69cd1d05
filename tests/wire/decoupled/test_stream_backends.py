"""Triton's backends for trying out streams, from their own configurations to clients of each kind."""

from __future__ import annotations

import json
import queue
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.testing import RunningServer, running_server

tritonclient = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)"
)

REPEAT = """
backend: "repeat"
max_batch_size: 0
input [
  { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "DELAY" data_type: TYPE_UINT32 dims: [ -1 ] },
  { name: "WAIT" data_type: TYPE_UINT32 dims: [ 1 ] }
]
output [
  { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] }
]
"""
SQUARE = """
backend: "square"
max_batch_size: 8
dynamic_batching { }
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
"""
DECOUPLED = "model_transaction_policy { decoupled: true }\n"
MODELS = {"repeat": REPEAT + DECOUPLED, "square": SQUARE + DECOUPLED, "repeat_once": REPEAT}
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    for name, config in MODELS.items():
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(config)
    with running_server(str(repository)) as running:
        yield running


def tensors(**arrays: Any) -> list[Any]:
    made = []
    for name, array in arrays.items():
        tensor = tritonclient.InferInput(name, list(array.shape), "INT32" if name == "IN" else "UINT32")
        tensor.set_data_from_numpy(array)
        made.append(tensor)
    return made


def repeat(values: list[int], delays_ms: list[int], wait_ms: int) -> list[Any]:
    return tensors(
        IN=np.array(values, np.int32), DELAY=np.array(delays_ms, np.uint32), WAIT=np.array([wait_ms], np.uint32)
    )


class Answers:
    """An open stream of the official client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: self._answers.put((result, error)))

    def next(self) -> Any:
        """Id, the outputs, and the final flag."""
        result, error = self._answers.get(timeout=PATIENCE_S)
        assert error is None, error
        response = result.get_response()
        values = {output.name: result.as_numpy(output.name).ravel().tolist() for output in response.outputs}
        return response.id, values, response.parameters["triton_final_response"].bool_param


@pytest.fixture
def answers(server: RunningServer) -> Iterator[Answers]:
    with tritonclient.InferenceServerClient(str(server.grpc_address)) as client:
        yield Answers(client)
        client.stop_stream()


def test_elements_come_back_one_by_one(answers: Answers) -> None:
    answers.client.async_stream_infer(
        "repeat", repeat([4, 2], [0, 1], 0), request_id="a", enable_empty_final_response=True
    )
    assert [answers.next() for _ in range(3)] == [
        ("a", {"OUT": [4], "IDX": [0]}, False),
        ("a", {"OUT": [2], "IDX": [1]}, False),
        ("a", {}, True),
    ]


def test_answers_to_several_requests_mix_on_one_instance(answers: Answers) -> None:
    """The second answer to the first request takes over a second; those to the other are there before."""
    client = answers.client
    client.async_stream_infer("repeat", repeat([1, 2], [0, 1_500], 0), request_id="slow")
    client.async_stream_infer("repeat", repeat([3, 4], [1, 1], 0), request_id="fast")
    told = [answers.next() for _ in range(4)]
    assert [(name, values["OUT"]) for name, values, _ in told] == [
        ("slow", [1]),
        ("fast", [3]),
        ("fast", [4]),
        ("slow", [2]),
    ]


def test_a_batch_of_square_requests(answers: Answers) -> None:
    for count in (3, 0, 1):
        answers.client.async_stream_infer(
            "square", tensors(IN=np.array([[count]], np.int32)), request_id=str(count), enable_empty_final_response=True
        )
    told = [answers.next() for _ in range(4 + 3)]
    for count in (3, 0, 1):
        mine = [(values, is_final) for name, values, is_final in told if name == str(count)]
        assert mine == [({"OUT": [count]}, False)] * count + [({}, True)]


def post(server: RunningServer, path: str, document: Any) -> tuple[int, list[Any]]:
    request = urllib.request.Request(f"{server.url}/v2/models/{path}", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            status, body = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read().decode()
    return status, [json.loads(line.removeprefix("data: ")) for line in body.split("\n\n") if line]


def test_events_over_http(server: RunningServer) -> None:
    status, events = post(server, "repeat/generate_stream", {"IN": [4, 2], "DELAY": [0, 1], "WAIT": 0})
    assert (status, [(event["OUT"], event["IDX"]) for event in events]) == (200, [(4, 0), (2, 1)])
    assert post(server, "square/generate_stream", {"IN": 0}) == (200, [])


def test_a_model_that_is_not_decoupled_must_answer_once(server: RunningServer) -> None:
    """As in Triton, the separate end makes one answer of the one; any other number is an error."""

    def infer(*values: int) -> tuple[int, Any]:
        shaped = {"IN": (values, "INT32"), "DELAY": ([0] * len(values), "UINT32"), "WAIT": ([0], "UINT32")}
        inputs = [
            {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}
            for name, (data, datatype) in shaped.items()
        ]
        status, (document,) = post(server, "repeat_once/infer", {"inputs": inputs})
        return status, document.get("error") or [output["data"] for output in document["outputs"]]

    assert infer(7) == (200, [[7], [0]])
    assert infer(7, 8) == (500, "expected a single response, got 2")
    assert infer() == (500, "expected a single response, got 0")
