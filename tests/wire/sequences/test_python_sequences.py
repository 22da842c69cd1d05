"""Models in Python as models of sequences: their workers remember, come back for more, and may end in the middle."""

from __future__ import annotations

import json
import queue
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sequence_models import IDLE, VECTORS, control, direct

from naiad.testing import RunningServer, running_server

grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")

SUMMING = """
import os
import time
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        return [self.step(row, request) for row, request in enumerate(requests)]

    def step(self, row, request):
        def of(name):
            return pb_utils.get_input_tensor_by_name(request, name).as_numpy()

        value = int(of("INPUT").sum())
        if value == 666:
            time.sleep(0.3)  # until the next step is there, too
            os._exit(3)
        if of("READY").item():
            assert request.correlation_id() and (request.flags() == 1) == bool(of("START").item())
            self.sums[row] = value + (0 if of("START").item() else self.sums[row])
        made = numpy.full(of("INPUT").shape, self.sums.get(row, 0), numpy.int32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", made)])
"""

ITERATING = """
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.left = {}

    def execute(self, requests):
        return [self.run(request) for request in requests]

    def run(self, request):
        name = request.correlation_id()
        wanted = pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy()
        left = self.left.pop(name, int(wanted.item())) - 1
        if left > 0:
            self.left[name] = left
            request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return None
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", wanted * 10)])
"""

ITERATIVE = f'backend: "python" max_batch_size: 4 sequence_batching {{ iterative_sequence: true {IDLE} }} {VECTORS}'
MODELS = {
    "sum": (SUMMING, f"max_batch_size: 4 {direct()}".replace('"sequence"', '"python"')),
    "iterating": (ITERATING, ITERATIVE),
    "not_iterating": (ITERATING, ITERATIVE.replace("iterative_sequence: true", control("START"))),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for name, (source, config) in MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").write_text(source)
        (folder / name / "config.pbtxt").write_text(f'name: "{name}" {config}\n')
    with running_server(str(folder)) as running:
        assert running.all_loaded
        yield running


def post(server: RunningServer, model: str, value: int, name: Any = 0, first: bool = False) -> tuple[int, Any]:
    document = {
        "inputs": [{"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [value]}],
        "parameters": {"sequence_id": name, "sequence_start": first},
    }
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())["outputs"][0]["data"][0]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["error"]


def test_each_row_is_remembered(server: RunningServer) -> None:
    assert [post(server, "sum", value, name, value < 10)[1] for value in (1, 10) for name in (1, 2)] == [1, 1, 11, 11]


def test_a_worker_that_ends_ends_its_sequences_and_says_which(server: RunningServer) -> None:
    assert post(server, "sum", 1, 3, True) == (200, 1)
    told: queue.Queue[Any] = queue.Queue()
    with grpc.InferenceServerClient(str(server.grpc_address)) as client:
        client.start_stream(callback=lambda result, error: told.put(error))
        for value in (666, 5):
            tensor = grpc.InferInput("INPUT", [1, 1], "INT32")
            tensor.set_data_from_numpy(np.array([[value]], np.int32))
            client.async_stream_infer("sum", [tensor], sequence_id=3)
        first, second = (told.get(timeout=60).message() for _ in range(2))
        client.stop_stream()
    reason = "the worker process of instance 'sum_0' ended while it ran this request"
    assert reason in first
    assert second.startswith("sequence 3 of model 'sum' has ended, because its instance failed: ")
    assert reason in second
    status, error = post(server, "sum", 1, 3)
    assert (status, "sequence 3 to model 'sum' must specify the START flag" in error) == (400, True)
    assert post(server, "sum", 7, 3, True) == (200, 7)


def test_a_model_gives_a_request_back_until_it_is_done(server: RunningServer) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda value: post(server, "iterating", value), (1, 4, 2)))
    assert found == [(200, 10), (200, 40), (200, 20)]


def test_a_model_that_is_not_configured_for_it_says_so(server: RunningServer) -> None:
    status, error = post(server, "not_iterating", 2, 1, True)
    assert (status, error.startswith("Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE")) == (400, True)
