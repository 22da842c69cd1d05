"""Python models behind the real doors: streams, coroutines, requests to other models, metrics, readiness, control."""

from __future__ import annotations

import os
import queue
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from naiad.testing import RunningServer, running_server

from .python_models import put

PREFIX = "Failed to process the request(s) for model 'stream_0', message: "
DECOUPLED = "model_transaction_policy { decoupled: true }\n"

STREAM = '''
    import json
    import threading
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        """Answers with each element of x; what else it does, the parameters say."""

        def execute(self, requests):
            for request in requests:
                do = json.loads(request.parameters()).get("do", "")
                if do == "raise":
                    raise ValueError("not today")
                if do == "lose":
                    continue
                if do == "return":
                    return [pb_utils.InferenceResponse([])]
                work = threading.Thread(target=self.answer, args=[request, request.get_response_sender(), do])
                work.start()

        def answer(self, request, sender, do):
            if do == "wait":
                open(pb_utils.get_model_dir() + "/waiting", "w").close()
                while not request.is_cancelled():
                    threading.Event().wait(0.01)
                open(pb_utils.get_model_dir() + "/cancelled", "w").close()
            for value in request.inputs()[0].as_numpy().tolist():
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([value], np.int32))]))
            if do == "drop":
                return
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            if do == "more":
                try:
                    sender.send(pb_utils.InferenceResponse([]))
                except pb_utils.TritonModelException as error:
                    pb_utils.Logger.log_warn(str(error))
'''

COROUTINE = """
    import asyncio
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            self.waiting = []

        async def execute(self, requests):
            if requests[0].inputs()[0].as_numpy()[0] < 0:
                raise ValueError("below zero")
            ours = asyncio.Event()
            self.waiting.append(ours)
            if len(self.waiting) % 3 == 0:  # only three at the same time get on
                for one in self.waiting:
                    one.set()
            await ours.wait()
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                    for request in requests]
"""

CALLER = """
    import asyncio
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            try:
                self.call("echo", [1]).exec()
                self.early = "no error"
            except pb_utils.TritonModelException as error:
                self.early = str(error)

        def call(self, model, values, **more):
            tensor = pb_utils.Tensor("x", np.array(values, np.int32))
            return pb_utils.InferenceRequest(
                model_name=model, inputs=[tensor], requested_output_names=["y"], **more,
                preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0))

        def execute(self, requests):
            return [self.answer(request, json.loads(request.parameters())) for request in requests]

        def answer(self, request, given):
            values = request.inputs()[0].as_numpy()
            found = getattr(self, given["do"])(values, request)
            if isinstance(found, pb_utils.TritonError):
                return pb_utils.InferenceResponse(error=found)
            return pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array(found, np.int32))])

        def nobody(self, values, request):
            return self.one(values, request, "nobody")

        def too_many(self, values, request):
            return self.one(values, request, "stream")

        def one(self, values, request, model="echo"):
            response = self.call(model, values, trace=request.trace(), parameters={"n": 1}).exec()
            if response.has_error():
                return response.error()
            return pb_utils.get_output_tensor_by_name(response, "y").as_numpy()

        def many(self, values, request):
            answers = self.call("stream", values).exec(decoupled=True)
            return [response.output_tensors()[0].as_numpy()[0] for response in answers]

        def first_of_many(self, values, request):
            answers = self.call("stream", values).exec(decoupled=True)
            first = next(answers).output_tensors()[0].as_numpy()[0]
            answers.cancel()
            return [first]

        def side_by_side(self, values, request):
            async def ask():
                responses = await asyncio.gather(*(self.call("together", [value]).async_exec() for value in values))
                stream = await self.call("stream", values).async_exec(decoupled=True)
                more = [one.output_tensors()[0].as_numpy()[0] async for one in stream]
                return [response.output_tensors()[0].as_numpy()[0] for response in responses] + more
            return asyncio.run(ask())

        def itself(self, values, request):
            return self.call("caller", values).exec().error()

        def too_early(self, values, request):
            return pb_utils.TritonError(self.early)

        def load(self, values, request):
            ready = [pb_utils.is_model_ready("later")]
            pb_utils.load_model("later")
            ready.append(pb_utils.is_model_ready("later", "1"))
            pb_utils.unload_model("later")
            return ready + [pb_utils.is_model_ready("later")]

        def load_nothing(self, values, request):
            try:
                pb_utils.load_model("nothing")
            except pb_utils.TritonModelException as error:
                return pb_utils.TritonError(str(error))

        def wait_for(self, values, request):
            return self.call("stuck", values).exec().error()
"""

ECHO = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                    for request in requests]
"""

METRICS = """
    import os
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            family = pb_utils.MetricFamily("seen_total", 'What "was" seen', pb_utils.MetricFamily.COUNTER)
            self.counter = family.Metric(labels={"model": "metrics", "b": "x"})
            self.gauge = pb_utils.MetricFamily("level", "Level", pb_utils.MetricFamily.GAUGE).Metric()
            self.times = pb_utils.MetricFamily("took", "Took", pb_utils.MetricFamily.HISTOGRAM).Metric(buckets=[1, 2.5])
            gone = family.Metric(labels={"b": "gone"})
            del gone
            for make in (
                lambda: pb_utils.MetricFamily("level", "Level", pb_utils.MetricFamily.COUNTER),
                lambda: pb_utils.MetricFamily("nv_mine", "", pb_utils.MetricFamily.COUNTER),
                lambda: pb_utils.MetricFamily("a b", "", pb_utils.MetricFamily.COUNTER),
                lambda: self.counter.increment(-1),
                lambda: self.counter.set(1),
                lambda: self.gauge.observe(1),
                lambda: self.times.value(),
                lambda: family.Metric(labels={"le": "1"}),
                lambda: pb_utils.MetricFamily("took", "Took", pb_utils.MetricFamily.HISTOGRAM).Metric(buckets=[2, 1]),
            ):
                try:
                    make()
                except pb_utils.TritonModelException as error:
                    continue
                raise ValueError("that should not be possible")

        def execute(self, requests):
            for request in requests:
                for value in request.inputs()[0].as_numpy().tolist():
                    self.counter.increment(value)
                    self.gauge.set(value)
                    self.times.observe(value)
            assert self.gauge.value() == value
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                    for request in requests]

        def is_ready(self):
            return not os.path.exists(pb_utils.get_model_dir() + "/unready")
"""

STUCK = """
    import os
    import time
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            folder = pb_utils.get_model_dir()
            open(folder + "/begun", "w").close()
            while not requests[0].is_cancelled():
                time.sleep(0.01)
            os.rename(folder + "/begun", folder + "/cancelled")
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError("cancelled")) for _ in requests]
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    put(folder, "stream", STREAM, DECOUPLED)
    put(folder, "together", COROUTINE)
    put(folder, "caller", CALLER)
    put(folder, "echo", ECHO)
    put(folder, "later", ECHO)
    put(folder, "stuck", STUCK)
    put(folder, "metrics", METRICS)
    return folder


@pytest.fixture(scope="module")
def running(repository: Path) -> Iterator[RunningServer]:
    names = ("stream", "together", "caller", "echo", "stuck", "metrics")
    with running_server(str(repository), model_control_mode="explicit", load_model=names) as server:
        assert server.all_loaded, server.server.catalog.index()
        yield server


@pytest.fixture(scope="module")
def client(running: RunningServer) -> Iterator[Any]:
    with http_client.InferenceServerClient(running.address, concurrency=4) as made:
        yield made


def inputs(module: Any, values: list[int]) -> list[Any]:
    tensor = module.InferInput("x", [len(values)], "INT32")
    tensor.set_data_from_numpy(np.array(values, np.int32))
    return [tensor]


def infer(client: Any, model: str, values: list[int], **parameters: Any) -> list[int]:
    found: list[int] = client.infer(model, inputs(http_client, values), parameters=parameters).as_numpy("y").tolist()
    return found


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(InferenceServerException) as error:
        call()
    return str(error.value)


@pytest.fixture
def stream(running: RunningServer) -> Iterator[Callable[..., list[Any]]]:
    """Sends one request over a stream and gives its answers: values, or the message of an error."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with grpc_client.InferenceServerClient(running.grpc_address) as made:
        made.start_stream(lambda result, error: told.put(error or result))

        def ask(values: list[int], **parameters: Any) -> list[Any]:
            made.async_stream_infer(
                "stream", inputs(grpc_client, values), parameters=parameters, enable_empty_final_response=True
            )
            found: list[Any] = []
            while True:
                one = told.get(timeout=30)
                if isinstance(one, InferenceServerException):
                    return [*found, one.message()]
                response = one.get_response()
                if response.outputs:
                    found += one.as_numpy("y").tolist()
                if response.parameters["triton_final_response"].bool_param:
                    return found

        yield ask
        made.stop_stream()


@pytest.mark.parametrize(
    ("values", "parameters", "answers"),
    [
        ([1, 2, 3], {}, [1, 2, 3]),
        ([], {}, []),
        ([4], {"do": "more"}, [4]),
        ([5], {"do": "drop"}, [5, "the model has let go of the request without a last response"]),
        ([5], {"do": "lose"}, ["the model has let go of the request without a last response"]),
        (
            [5],
            {"do": "raise"},
            ["Failed to process the request(s) for model 'stream_0', message: ValueError: not today"],
        ),
    ],
)
def test_answers_of_a_stream(stream: Any, values: list[int], parameters: dict[str, Any], answers: list[Any]) -> None:
    assert stream(values, **parameters) == answers


def test_a_decoupled_model_returns_nothing(stream: Any) -> None:
    assert "is using the decoupled mode and the execute function must return None" in stream([1], do="return")[0]


def test_a_stream_whose_worker_ends(running: RunningServer, stream: Any) -> None:
    assert stream([1]) == [1]
    supervisor = running.server.catalog.find("stream")._scheduler._slots[0].runner._instance._supervisor
    worker = supervisor.worker()
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.gone.wait(30)
    assert stream([2]) == [2]


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_a_model_learns_that_its_caller_has_left(running: RunningServer, repository: Path) -> None:
    with grpc_client.InferenceServerClient(running.grpc_address) as made:
        made.start_stream(lambda result, error: None)
        made.async_stream_infer("stream", inputs(grpc_client, [1]), parameters={"do": "wait"})
        until((repository / "stream" / "1" / "waiting").exists, "it has not begun")
        made.stop_stream(cancel_requests=True)
    until((repository / "stream" / "1" / "cancelled").exists, "nobody told the model")


def test_coroutines_of_several_requests_run_at_the_same_time(client: Any) -> None:
    handles = [client.async_infer("together", inputs(http_client, [number])) for number in range(3)]
    assert [one.get_result().as_numpy("y").tolist() for one in handles] == [[0], [1], [2]]
    assert "message: ValueError: below zero" in refused(lambda: infer(client, "together", [-1]))


@pytest.mark.parametrize(
    ("do", "values", "found"),
    [
        ("one", [1, 2], [1, 2]),
        ("one", list(range(50_000)), list(range(50_000))),
        ("many", [1, 2, 3], [1, 2, 3]),
        ("first_of_many", [7, 8], [7]),
        ("side_by_side", [1, 2, 3], [1, 2, 3, 1, 2, 3]),
        ("load", [0], [0, 1, 0]),
    ],
)
def test_requests_to_other_models(client: Any, do: str, values: list[int], found: list[int]) -> None:
    assert infer(client, "caller", values, do=do) == found


@pytest.mark.parametrize(
    ("do", "told"),
    [
        ("itself", "model 'caller' would wait for itself: it has one instance"),
        ("too_early", "BLS is only supported during the 'execute' function."),
        ("nobody", "Request for unknown model: 'nobody' is not found"),
        ("too_many", "expected a single response, got 2"),
        ("load_nothing", "failed to load 'nothing', failed to poll from model repository"),
    ],
)
def test_what_other_models_refuse(client: Any, do: str, told: str) -> None:
    assert told in refused(lambda: infer(client, "caller", [1, 2], do=do))


def test_a_caller_that_leaves_withdraws_what_was_asked_for_it(running: RunningServer, repository: Path) -> None:
    folder = repository / "stuck" / "1"
    with grpc_client.InferenceServerClient(running.grpc_address) as made:
        call = made.async_infer(
            "caller", inputs(grpc_client, [1]), parameters={"do": "wait_for"}, callback=lambda result, error: None
        )
        until((folder / "begun").exists, "it has not begun")
        call.cancel()
        until((folder / "cancelled").exists, "nobody told the other model")


def page(running: RunningServer) -> dict[str, str]:
    with urllib.request.urlopen(running.metrics_url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def test_metrics_of_a_model(running: RunningServer, client: Any) -> None:
    assert infer(client, "metrics", [1, 2, 3]) == [1, 2, 3]
    until(lambda: page(running).get("took_count") == "3", "nothing was counted")
    found = page(running)
    assert found['seen_total{b="x",model="metrics"}'] == "6"
    assert found["level"] == "3"
    assert [found[f'took_bucket{{le="{bound}"}}'] for bound in ("1", "2.5", "+Inf")] == ["1", "2", "3"]
    assert found["took_sum"] == "6"
    assert not [line for line in found if "gone" in line]
    assert found['naiad_worker_up{model="metrics",version="1"}'] == "1"


def test_a_model_says_itself_whether_it_is_ready(running: RunningServer, client: Any, repository: Path) -> None:
    flag = repository / "metrics" / "1" / "unready"
    assert client.is_model_ready("metrics")
    flag.touch()
    until(lambda: not client.is_model_ready("metrics"), "it is ready")
    assert not client.is_server_ready()
    assert page(running)['naiad_worker_up{model="metrics",version="1"}'] == "0"
    flag.unlink()
    until(lambda: client.is_model_ready("metrics"), "it is not ready")


def test_a_worker_that_ends_shows_in_readiness_and_metrics(running: RunningServer, client: Any) -> None:
    supervisor = running.server.catalog.find("echo")._scheduler._slots[0].runner._instance._supervisor
    worker = supervisor.worker()
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.gone.wait(30)
    assert infer(client, "echo", [1]) == [1]
    assert client.is_model_ready("echo")
    assert page(running)['naiad_worker_restarts_total{model="echo",version="1"}'] == "1"


BATCHES = """
    import os
    import threading
    import time
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                threading.Thread(target=self.answer, args=[request.get_response_sender(), len(requests)]).start()
            open(pb_utils.get_model_dir() + "/begun", "w").close()
            while not os.path.exists(pb_utils.get_model_dir() + "/go"):
                time.sleep(0.01)

        def answer(self, sender, together):
            while not os.path.exists(pb_utils.get_model_dir() + "/answer"):
                time.sleep(0.01)
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.full((1, 1), together, np.int32))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


def test_a_decoupled_model_gets_its_next_batch_when_execute_has_returned(tmp_path: Path) -> None:
    """What comes meanwhile waits in the queue, where it forms one batch; answers may come when they like."""
    ports = "".join(f'{side} {{ name: "{name}" data_type: TYPE_INT32 dims: [ 1 ] }} '
                    for side, name in (("input", "x"), ("output", "y")))  # fmt: skip
    config = f"max_batch_size: 8 {ports} {DECOUPLED} dynamic_batching {{ }} instance_group {{ kind: KIND_CPU }}"
    put(tmp_path, "batches", BATCHES, config)
    version = tmp_path / "batches" / "1"
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with running_server(str(tmp_path)) as running, grpc_client.InferenceServerClient(running.grpc_address) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        given = grpc_client.InferInput("x", [1, 1], "INT32")
        given.set_data_from_numpy(np.ones((1, 1), np.int32))
        client.async_stream_infer("batches", [given])
        wait_for(version / "begun")
        for _ in range(5):
            client.async_stream_infer("batches", [given])
        statistics = running.server.engine.route("batches").statistics
        end = time.monotonic() + 20
        while statistics.count_pending() < 5 and time.monotonic() < end:
            time.sleep(0.01)
        assert statistics.count_pending() == 5, "none of them is taken ahead"
        (version / "go").touch()
        while statistics.count_pending() and time.monotonic() < end:
            time.sleep(0.01)
        assert statistics.count_pending() == 0, "the answers to the first are still to come"
        (version / "answer").touch()
        told = [int(answers.get(timeout=20).as_numpy("y")[0, 0]) for _ in range(6)]
        client.stop_stream()
    assert sorted(told) == [1, 5, 5, 5, 5, 5]


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.01)
