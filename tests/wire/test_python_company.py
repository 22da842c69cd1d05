"""What a Python model knows of its callers, and passes on to those that it calls: traces, and that they have left."""

from __future__ import annotations

import json
import queue
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

from naiad.testing import RunningServer, running_server

from .python_models import put

DECOUPLED = "model_transaction_policy { decoupled: true }\n"

INNER = """
    import numpy as np
    import os
    import time
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            for request in requests:
                if request.inputs()[0].as_numpy()[0] == 7:  # until nobody wants it any more
                    folder = pb_utils.get_model_dir()
                    open(folder + "/begun", "w").close()
                    while not request.is_cancelled():
                        time.sleep(0.01)
                    os.rename(folder + "/begun", folder + "/cancelled")
            return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                    for request in requests]
"""

OUTER = """
    import asyncio
    import json
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def call(self, request):
            return pb_utils.InferenceRequest(
                model_name="inner", inputs=[pb_utils.Tensor("x", request.inputs()[0].as_numpy())],
                requested_output_names=["y"], trace=request.trace())

        def execute(self, requests):
            return [getattr(self, json.loads(request.parameters()).get("do", "sync"))(request) for request in requests]

        def sync(self, request):
            return self.answer(request, self.call(request).exec())

        def later(self, request):
            return self.answer(request, asyncio.run(self.call(request).async_exec()))

        def impatient(self, request):
            async def ask():
                try:
                    await asyncio.wait_for(self.call(request).async_exec(), 0.1)
                except asyncio.TimeoutError:
                    return pb_utils.InferenceResponse(error=pb_utils.TritonError("too late"))
            return asyncio.run(ask())

        def answer(self, request, response):
            context = request.trace().get_context()
            return pb_utils.InferenceResponse(response.output_tensors(), parameters={"context": str(context)})
"""

SENDER = '''
    import json
    import threading
    import numpy as np
    import triton_python_backend_utils as pb_utils

    FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL

    class TritonPythonModel:
        """The first request of a batch gets one answer, or its last one, before execute fails."""

        def execute(self, requests):
            for request in requests:
                do, sender = json.loads(request.parameters())["do"], request.get_response_sender()
                answer = pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                if do == "whole":
                    sender.send(answer, FINAL)
                elif do == "half":
                    sender.send(answer)
                elif do == "after cancel":
                    threading.Thread(target=self.outlast, args=[request, sender, answer]).start()
                    return
            raise ValueError("after all")

        def outlast(self, request, sender, answer):
            folder = pb_utils.get_model_dir()
            open(folder + "/waiting", "w").close()
            while not sender.is_cancelled():
                threading.Event().wait(0.01)
            assert request.is_cancelled()
            sender.send(answer)
            sender.send(answer, FINAL)
            try:
                sender.send(answer)
            except pb_utils.TritonModelException as error:
                with open(folder + "/told", "w") as file:
                    file.write(str(error))
'''


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    put(folder, "inner", INNER)
    put(folder, "outer", OUTER)
    put(folder, "sender", SENDER, DECOUPLED)
    return folder


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces") / "trace.json"


@pytest.fixture(scope="module")
def running(repository: Path, traces: Path) -> Iterator[RunningServer]:
    options = (f"triton,file={traces}", "rate=1", "level=TIMESTAMPS", "triton,log-frequency=1")
    with running_server(str(repository), trace_config=options) as server:
        assert server.all_loaded, server.server.catalog.index()
        yield server


def infer(running: RunningServer, value: int, headers: dict[str, str], **parameters: Any) -> Any:
    inputs = [{"name": "x", "datatype": "INT32", "shape": [1], "data": [value]}]
    body = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
    request = urllib.request.Request(f"{running.url}/v2/models/outer/infer", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.mark.parametrize("do", ["sync", "later"])
def test_a_trace_is_passed_on(running: RunningServer, traces: Path, do: str) -> None:
    """The request to the other model is a child of the one that it was made for."""
    assert infer(running, 1, {}, do=do)["parameters"] == {"context": "None"}

    def found() -> list[dict[str, Any]]:
        assert running.server.engine.tracing.flush()
        files = [
            file for file in traces.parent.iterdir() if re.fullmatch(rf"{re.escape(traces.name)}(\.\d+)?", file.name)
        ]
        return [one for file in sorted(files) for one in json.loads(file.read_bytes() or b"[]") if "model_name" in one]

    def parents() -> list[str | None]:
        """Of the requests to the inner model: the model that made each."""
        traced = found()
        names = {one["id"]: one["model_name"] for one in traced}
        return [names.get(one.get("parent_id")) for one in traced if one["model_name"] == "inner"]

    until(lambda: parents() and all(parents()), "no request to the other model is traced with its parent")
    assert set(parents()) == {"outer"}


def test_a_model_sees_the_context_of_its_caller(
    repository: Path, collector: tuple[str, queue.SimpleQueue[Any]]
) -> None:
    """Where spans are made; and the spans of both models are the caller's."""
    options = ("mode=opentelemetry", "rate=1", "level=TIMESTAMPS", f"opentelemetry,url={collector[0]}")
    caller = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"
    with running_server(str(repository), trace_config=options) as server:
        answer = infer(server, 2, {"traceparent": caller, "tracestate": "a=b"})
        assert json.loads(answer["parameters"]["context"]) == {"traceparent": caller, "tracestate": "a=b"}
        assert infer(server, 1, {})["parameters"] == {"context": "None"}
    spans = []
    while not collector[1].empty():
        for resource in collector[1].get().resource_spans:
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    ours = {span.name for span in spans if span.trace_id.hex() == caller.split("-")[1]}
    assert {"outer", "inner"} <= ours


def test_a_task_that_is_cancelled_withdraws_its_request(running: RunningServer, repository: Path) -> None:
    flag = repository / "inner" / "1" / "cancelled"
    flag.unlink(missing_ok=True)
    with pytest.raises(urllib.error.HTTPError) as refused:
        infer(running, 7, {}, do="impatient")
    with refused.value as error:
        assert json.load(error)["error"] == "too late"
    until(flag.exists, "nobody told the other model")


def test_a_caller_that_leaves_withdraws_what_tasks_have_asked(running: RunningServer, repository: Path) -> None:
    folder = repository / "inner" / "1"
    (folder / "cancelled").unlink(missing_ok=True)
    with grpc_client.InferenceServerClient(running.grpc_address) as client:
        call = client.async_infer("outer", tensors(7), parameters={"do": "later"}, callback=lambda result, error: None)
        until((folder / "begun").exists, "it has not begun")
        call.cancel()
        until((folder / "cancelled").exists, "nobody told the other model")


def tensors(value: int) -> list[Any]:
    tensor = grpc_client.InferInput("x", [1], "INT32")
    tensor.set_data_from_numpy(np.array([value], np.int32))
    return [tensor]


@pytest.mark.parametrize(("do", "answers"), [("whole", [5, "end"]), ("half", [5, "failed"]), ("nothing", ["failed"])])
def test_what_has_been_answered_stays_answered_when_execute_fails(
    running: RunningServer, do: str, answers: list[Any]
) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    found: list[Any] = []
    with grpc_client.InferenceServerClient(running.grpc_address) as client:
        client.start_stream(lambda result, error: told.put(error or result))
        client.async_stream_infer("sender", tensors(5), parameters={"do": do}, enable_empty_final_response=True)
        while found[-1:] not in (["end"], ["failed"]):
            one = told.get(timeout=30)
            if isinstance(one, InferenceServerException):
                assert "message: ValueError: after all" in one.message()
                found.append("failed")
                continue
            response = one.get_response()
            found += one.as_numpy("y").tolist() if response.outputs else []
            if response.parameters["triton_final_response"].bool_param:
                found.append("end")
        client.stop_stream()
    assert found == answers


def test_who_sends_after_its_caller_has_left_is_not_disturbed(running: RunningServer, repository: Path) -> None:
    """And after its last answer it gets Triton's error, as always."""
    folder = repository / "sender" / "1"
    with grpc_client.InferenceServerClient(running.grpc_address) as client:
        client.start_stream(lambda result, error: None)
        client.async_stream_infer("sender", tensors(5), parameters={"do": "after cancel"})
        until((folder / "waiting").exists, "it has not begun")
        client.stop_stream(cancel_requests=True)
    until(lambda: (folder / "told").exists() and (folder / "told").read_text(), "it was disturbed")
    assert (folder / "told").read_text() == "Unable to send response. Response sender has been closed."
