"""Requests of Python models to other models (BLS), in every way in which a model may wait for their answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from naiad.testing import RunningServer, running_server

from .python_models import put

TARGET = """
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [self.answer(request.inputs()[0].as_numpy()) for request in requests]

        def answer(self, values):
            if values[0] < 0:
                error = pb_utils.TritonError("below zero", pb_utils.TritonError.NOT_FOUND)
                return pb_utils.InferenceResponse(error=error)
            return pb_utils.InferenceResponse([pb_utils.Tensor("y", values + 1)], parameters={"seen": len(values)})
"""

CALLER = """
    import asyncio
    import json
    import signal
    import threading
    from concurrent.futures import ThreadPoolExecutor
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.threads = ThreadPoolExecutor(4)

        def call(self, values, model="target"):
            return pb_utils.InferenceRequest(
                model_name=model, inputs=[pb_utils.Tensor("x", np.array(values, np.int32))],
                requested_output_names=["y"])

        def read(self, response):
            if response.has_error():
                raise pb_utils.TritonModelException(f"{response.error().code()}: {response.error().message()}")
            return response.output_tensors()[0].as_numpy()

        def execute(self, requests):
            responses = []
            for request in requests:
                values = request.inputs()[0].as_numpy()
                found = getattr(self, json.loads(request.parameters())["do"])(values)
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.asarray(found, np.int32))]))
            return responses

        def once(self, values):
            return self.read(self.call(values).exec())

        def in_a_row(self, values):
            for _ in range(50):
                values = self.read(self.call(values).exec())
            return values

        def in_threads(self, values):
            return sum(self.threads.map(lambda one: self.read(self.call([one]).exec()), values.tolist() * 8))

        def at_once(self, values):
            async def ask():
                return await asyncio.gather(*(self.call([value]).async_exec() for value in values.tolist() * 8))
            return sum(self.read(response) for response in asyncio.run(ask()))

        def mixed(self, values):
            later = self.threads.submit(lambda: self.read(self.call(values).exec()))
            return self.read(self.call(values).exec()) + later.result() + self.at_once(values)

        def seen(self, values):
            return [json.loads(self.call(values).exec().parameters())["seen"]]

        def interrupted(self, values):
            class Alarm(Exception):
                pass

            def ring(*_):
                raise Alarm

            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            try:
                self.call(values, "slow").exec()
            except Alarm:
                return self.once(values)

        def kept(self, values):
            first = self.read(self.call(values).exec())
            before = first.copy()
            for _ in range(5):
                self.call(np.zeros_like(values)).exec()
            assert (first == before).all()
            return first
"""

SLOW = """
    import time
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            time.sleep(0.3)
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy() * 0)])
                    for request in requests]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("repository")
    put(folder, "target", TARGET)
    put(folder, "caller", CALLER)
    put(folder, "slow", SLOW)
    with running_server(str(folder)) as server:
        assert server.all_loaded, server.server.catalog.index()
        yield server


@pytest.fixture(scope="module")
def client(running: RunningServer) -> Iterator[Any]:
    with http_client.InferenceServerClient(running.address, concurrency=8) as made:
        yield made


def tensors(values: list[int]) -> list[Any]:
    tensor = http_client.InferInput("x", [len(values)], "INT32")
    tensor.set_data_from_numpy(np.array(values, np.int32))
    return [tensor]


def infer(client: Any, do: str, values: list[int]) -> list[int]:
    found: list[int] = client.infer("caller", tensors(values), parameters={"do": do}).as_numpy("y").tolist()
    return found


LONG = list(range(60_000))


@pytest.mark.parametrize(
    ("do", "values", "found"),
    [
        ("once", [1, 2], [2, 3]),
        ("once", LONG, [one + 1 for one in LONG]),
        ("in_a_row", [1, 2], [51, 52]),
        ("in_threads", [1, 2, 3], [8 * 9]),
        ("at_once", [1, 2, 3], [8 * 9]),
        ("mixed", [1], [2 + 2 + 8 * 2]),
        ("seen", [5, 6, 7], [3]),
        ("interrupted", [1, 2], [2, 3]),
        ("kept", LONG, [one + 1 for one in LONG]),
    ],
)
def test_answers(client: Any, do: str, values: list[int], found: list[int]) -> None:
    for _ in range(3):
        assert infer(client, do, values) == found


def test_an_error_of_the_other_model_has_its_code(client: Any) -> None:
    for do in ("once", "in_threads", "at_once"):
        with pytest.raises(InferenceServerException, match="2: below zero"):
            infer(client, do, [-1])
        assert infer(client, do, [1])[0] > 1


def test_many_callers_at_the_same_time(client: Any) -> None:
    """Each gets its own answers."""
    handles = [
        client.async_infer("caller", tensors([one, -one + 1000]), parameters={"do": "in_a_row"}) for one in range(40)
    ]
    found = [one.get_result().as_numpy("y").tolist() for one in handles]
    assert found == [[one + 50, 1050 - one] for one in range(40)]
