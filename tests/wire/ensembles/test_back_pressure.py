"""`max_inflight_requests` holds a decoupled model back in its worker process, whichever way it streams."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from writing import chain, ensemble, write

from naiad.testing import running_server

MANY = 12
MOST = 2

MAKES = """
import os
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    {keyword} execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for number in range(int(request.inputs()[0].as_numpy()[0])):
                self.note(number + 1)
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([number], np.int32))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def note(self, made):
        path = pb_utils.get_model_dir() + "/../../how_many"
        with open(path + ".new", "w") as file:
            file.write(str(made))
        os.replace(path + ".new", path)
"""
TAKES = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.05)
        made = int(open(pb_utils.get_model_dir() + "/../../how_many").read())
        return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([made], np.int32))]) for _ in requests]
"""
PORTS = (
    'input { name: "X" data_type: TYPE_INT32 dims: [ -1 ] } output { name: "Y" data_type: TYPE_INT32 dims: [ -1 ] } '
    "instance_group { kind: KIND_CPU count: 1 }"
)
STREAM = "model_transaction_policy { decoupled: true }"


def made_when_taken(address: str, model: str, count: int = MANY) -> list[int]:
    """How many answers had been made whenever one was taken up."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with grpc_client.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        given = grpc_client.InferInput("a", [1], "INT32")
        given.set_data_from_numpy(np.array([count], np.int32))
        client.async_stream_infer(model, [given])
        told = [answers.get(timeout=30) for _ in range(count)]
        client.stop_stream()
    return [int(one.as_numpy("b")[0]) for one in told]


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_python_model_is_held_back(tmp_path: Path, keyword: str) -> None:
    steps = chain("made:at", "taken:tb")
    write(tmp_path, "made", f'backend: "python" {PORTS} {STREAM}', files={"model.py": MAKES.format(keyword=keyword)})
    write(tmp_path, "taken", f'backend: "python" {PORTS}', files={"model.py": TAKES})
    write(tmp_path, "limited", ensemble(steps, limit=f"max_inflight_requests: {MOST}"))
    write(tmp_path, "free", ensemble(steps))
    with running_server(str(tmp_path)) as running:
        held = made_when_taken(running.grpc_address, "limited")
        free = made_when_taken(running.grpc_address, "free")
    # When the n-th is taken, so many have been made: n, those that may be under way, and the one that is held back.
    assert all(made <= number + MOST + 1 for number, made in enumerate(held)), held
    assert any(made > number + MOST + 1 for number, made in enumerate(free)), "else this test shows nothing"


def test_a_model_that_is_held_back_does_not_hang(tmp_path: Path) -> None:
    """Its worker says nothing for longer than a run may take; that is not its fault."""
    write(tmp_path, "made", f'backend: "python" {PORTS} {STREAM}', files={"model.py": MAKES.format(keyword="def")})
    slow = 'parameters { key: "execute_delay_ms" value { string_value: "2500" } }'
    write(tmp_path, "taken", f'backend: "identity" {PORTS} {slow}')
    write(tmp_path, "limited", ensemble(chain("made:at", "taken:tb"), limit="max_inflight_requests: 1"))
    with running_server(str(tmp_path), model_hang_timeout=2.0) as running:
        assert made_when_taken(running.grpc_address, "limited", 3) == [0, 1, 2]
