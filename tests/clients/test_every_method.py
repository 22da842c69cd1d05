"""Every public method of Triton's four clients, called on a live server; a method without an exercise is a failure."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import queue
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from side import MODULES, SIDES, Side, keys_of, module_of, opened, watch

Exercise = Callable[[Side], Awaitable[None]]

SUMS = [list(range(1, 17))]
MODEL_FILE = Path(__file__).parents[1] / "data" / "model_repository" / "simple" / "1" / "model.onnx"


async def live(side: Side) -> None:
    assert await side.call("is_server_live")


async def ready(side: Side) -> None:
    assert await side.call("is_server_ready")


async def model_ready(side: Side) -> None:
    assert await side.call("is_model_ready", "simple")
    assert await side.call("is_model_ready", "simple", "1")
    assert not await side.call("is_model_ready", "nope")
    assert not await side.call("is_model_ready", "simple", "9")


async def server_metadata(side: Side) -> None:
    told = await side.ask("get_server_metadata")
    assert (told["name"], "system_shared_memory" in told["extensions"]) == ("triton", True)


async def model_metadata(side: Side) -> None:
    told = await side.ask("get_model_metadata", "simple", "1")
    assert (told["name"], told["versions"], told["inputs"][0]["datatype"]) == ("simple", ["1"], "INT32")
    assert "unknown model" in str(await side.fails("get_model_metadata", "nope"))


async def max_batch(side: Side, model: str) -> int:
    told = await side.ask("get_model_config", model)
    return int((told["config"] if side.is_grpc else told)["max_batch_size"])


async def model_config(side: Side) -> None:
    assert await max_batch(side, "simple") == 8


async def states(side: Side) -> dict[str, str]:
    told = await side.ask("get_model_repository_index")
    return {row["name"]: row.get("state", "") for row in (told["models"] if side.is_grpc else told)}


async def index(side: Side) -> None:
    found = await states(side)
    assert (found["simple"], found["simple_string"]) == ("READY", "READY")


async def load(side: Side) -> None:
    await side.call("load_model", "simple_string", config=json.dumps({"max_batch_size": "16"}))
    assert await max_batch(side, "simple_string") == 16
    config = {"backend": "onnxruntime", "max_batch_size": 4}
    files = {"file:3/model.onnx": MODEL_FILE.read_bytes()}
    await side.call("load_model", "uploaded", config=json.dumps(config), files=files)
    result = await side.call("infer", "uploaded", side.numbers(), model_version="3")
    assert result.as_numpy("OUTPUT0").tolist() == SUMS
    await side.call("load_model", "simple_string")
    assert await max_batch(side, "simple_string") == 16  # kept while the files are as they were
    await side.call("unload_model", "simple_string")
    await side.call("load_model", "simple_string")
    assert await max_batch(side, "simple_string") == 8
    error = await side.fails("load_model", "no_such_model")
    assert "failed to load 'no_such_model', failed to poll from model repository" in str(error)


async def unload(side: Side) -> None:
    await side.call("unload_model", "simple_string", unload_dependents=True)
    assert "unknown model" in str(await side.fails("infer", "simple_string", side.numbers()))
    await side.call("load_model", "simple_string")
    assert (await states(side))["simple_string"] == "READY"


async def statistics(side: Side) -> None:
    async def successes() -> int:
        (row,) = (await side.ask("get_inference_statistics", "simple", "1"))["model_stats"]
        return int(row["inference_stats"]["success"].get("count", 0))

    before = await successes()
    await side.call("infer", "simple", side.numbers())
    assert await successes() == before + 1
    assert len((await side.ask("get_inference_statistics"))["model_stats"]) > 1


def setting(side: Side, told: Any, name: str) -> Any:
    """A trace setting: a list over gRPC, over HTTP a string but for the level."""
    value = told["settings"][name]["value"] if side.is_grpc else told[name]
    return value[0] if isinstance(value, list) else value


async def trace(side: Side) -> None:
    told = await side.ask("update_trace_settings", "simple", {"trace_rate": "7", "trace_level": ["TIMESTAMPS"]})
    assert (setting(side, told, "trace_rate"), setting(side, told, "trace_level")) == ("7", "TIMESTAMPS")
    assert setting(side, await side.ask("get_trace_settings", "simple"), "trace_rate") == "7"
    assert setting(side, await side.ask("get_trace_settings"), "trace_rate") == "1000"
    await side.ask("update_trace_settings", "simple", {"trace_rate": None, "trace_level": None})
    assert setting(side, await side.ask("get_trace_settings", "simple"), "trace_rate") == "1000"


async def logging(side: Side) -> None:
    def plain(told: Any) -> dict[str, Any]:
        if not side.is_grpc:
            return dict(told)
        return {name: next(iter(value.values()), "") for name, value in told["settings"].items()}

    told = plain(await side.ask("update_log_settings", {"log_verbose_level": 1, "log_warning": False}))
    assert (int(told["log_verbose_level"]), told["log_warning"]) == (1, False)
    told = plain(await side.ask("get_log_settings"))
    assert (int(told["log_verbose_level"]), told["log_info"]) == (1, True)
    await side.ask("update_log_settings", {"log_verbose_level": 0, "log_warning": True})
    assert "log file location can not be updated" in str(await side.fails("update_log_settings", {"log_file": "x"}))


async def system_memory(side: Side) -> None:
    shm = pytest.importorskip("tritonclient.utils.shared_memory", reason="tritonclient is not installed")
    key, size = f"/naiad-client-{uuid.uuid4().hex}", 64
    names = [f"{side.name}-{what}" for what in ("in", "out")]
    handles = [shm.create_shared_memory_region(name, f"{key}-{name}", 2 * size) for name in names]
    try:
        for name in names:
            await side.call("register_system_shared_memory", name, f"{key}-{name}", 2 * size)
        shm.set_shared_memory_region(handles[0], [np.arange(16, dtype=np.int32), np.ones(16, np.int32)])
        inputs = [side.module.InferInput(f"INPUT{at}", [1, 16], "INT32") for at in (0, 1)]
        outputs = [side.output(f"OUTPUT{at}") for at in (0, 1)]
        for at in (0, 1):
            inputs[at].set_shared_memory(names[0], size, at * size)
            outputs[at].set_shared_memory(names[1], size, at * size)
        await side.call("infer", "simple", inputs, outputs=outputs)
        assert shm.get_contents_as_numpy(handles[1], np.int32, [1, 16]).tolist() == SUMS
        outputs[0].unset_shared_memory()
        result = await side.call("infer", "simple", inputs, outputs=outputs[:1])
        assert result.as_numpy("OUTPUT0").tolist() == SUMS
        await check_regions(side, names)
    finally:
        for handle in handles:
            shm.destroy_shared_memory_region(handle)


async def check_regions(side: Side, names: list[str]) -> None:
    async def known(name: str = "") -> set[str]:
        told = await side.ask("get_system_shared_memory_status", name)
        return set(told.get("regions", {})) if side.is_grpc else {row["name"] for row in told}

    assert (await known(), await known(names[0])) == (set(names), {names[0]})
    await side.call("unregister_system_shared_memory", names[0])
    assert await known() == {names[1]}
    await side.call("unregister_system_shared_memory")
    assert await known() == set()


async def cuda_memory(side: Side) -> None:
    told = await side.ask("get_cuda_shared_memory_status")
    assert not (told.get("regions", {}) if side.is_grpc else told)
    error = await side.fails("register_cuda_shared_memory", "gpu", base64.b64encode(bytes(64)), 0, 64)
    assert "failed to register shared memory region: invalid args" in str(error)
    await side.call("unregister_cuda_shared_memory", "gpu")
    await side.call("unregister_cuda_shared_memory")


async def infer(side: Side) -> None:
    outputs = [side.output("OUTPUT1"), side.output("OUTPUT0")]
    result = await side.call("infer", "simple", side.numbers(), "1", outputs, "seven")
    assert (result.as_numpy("OUTPUT0").tolist(), result.as_numpy("OUTPUT1")[0, 0]) == (SUMS, -1)
    error = await side.fails("infer", "simple", side.numbers()[:1], request_id="r")
    assert "[request id: r] expected 2 inputs but got 1 inputs for model 'simple'" in str(error)


async def async_infer(side: Side) -> None:
    if not side.is_grpc:
        waiting = [side.client.async_infer("simple", side.numbers(n)) for n in range(4)]
        assert [one.get_result().as_numpy("OUTPUT0")[0, 0] for one in waiting] == [0, 1, 2, 3]
        return
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for n in range(4):
        side.client.async_infer("simple", side.numbers(n), lambda result, error: done.put(error or result))
    assert sorted(done.get(timeout=60).as_numpy("OUTPUT0")[0, 0] for _ in range(4)) == [0, 1, 2, 3]


async def stream(side: Side) -> None:
    """The sync gRPC client's way: a callback."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    side.client.start_stream(lambda result, error: told.put(error or result))
    side.client.async_stream_infer("repeat", side.values(1, 2), request_id="a", enable_empty_final_response=True)
    responses = [told.get(timeout=60).get_response() for _ in range(3)]
    finals = [response.parameters["triton_final_response"].bool_param for response in responses]
    assert (finals, [response.id for response in responses]) == ([False, False, True], ["a"] * 3)
    side.client.async_stream_infer("simple", side.numbers())
    assert told.get(timeout=60).as_numpy("OUTPUT0").tolist() == SUMS
    side.client.async_stream_infer("nope", side.numbers())
    assert "unknown model: 'nope'" in str(told.get(timeout=60))
    side.client.stop_stream()


async def stream_infer(side: Side) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": "repeat", "inputs": side.values(1, 2)}
        yield {"model_name": "simple", "inputs": side.numbers()}
        yield {"model_name": "nope", "inputs": side.numbers()}

    answers = [answer async for answer in side.client.stream_infer(requests())]
    results = [result for result, error in answers if error is None]
    assert [str(error).count("unknown model: 'nope'") for _, error in answers if error is not None] == [1]
    assert sorted(result.get_response().model_name for result in results) == ["repeat"] * 2 + ["simple"]


async def close(side: Side) -> None:
    async with opened(side.name, side.served) as other:
        assert await other.call("is_server_live")


async def plugin(side: Side) -> None:
    auth = pytest.importorskip("tritonclient.grpc.auth" if side.is_grpc else "tritonclient.http.auth")
    made = auth.BasicAuth("user", "secret")
    side.client.register_plugin(made)
    assert side.client.plugin() is made
    assert await side.call("is_server_live")
    side.client.unregister_plugin()
    assert side.client.plugin() is None


async def bodies(side: Side) -> None:
    """The static methods for those who send the bytes themselves."""
    client = side.module.InferenceServerClient
    body, length = client.generate_request_body(side.numbers(), outputs=[side.output("OUTPUT0")], request_id="b")
    connection = http.client.HTTPConnection(side.served.running.address, timeout=60)
    connection.request("POST", "/v2/models/simple/infer", body, {"Inference-Header-Content-Length": str(length)})
    answer = connection.getresponse()
    raw, size = answer.read(), int(answer.headers["Inference-Header-Content-Length"])
    connection.close()
    for read in (client.parse_response_body, side.module.InferResult.from_response_body):
        result = read(raw, header_length=size)
        assert (result.as_numpy("OUTPUT0").tolist(), result.get_response()["id"]) == (SUMS, "b")


async def an_input(side: Side) -> None:
    made = side.module.InferInput("INPUT0", [1, 1], "INT32")
    made.set_shape([1, 16])
    made.set_data_from_numpy(np.arange(16, dtype=np.int32)[None])
    assert (made.name(), made.shape(), made.datatype()) == ("INPUT0", [1, 16], "INT32")
    result = await side.call("infer", "simple", [made, side.numbers()[1]])
    assert result.as_numpy("OUTPUT0").tolist() == SUMS


async def an_output(side: Side) -> None:
    made = side.output("OUTPUT0", class_count=2)
    assert made.name() == "OUTPUT0"
    result = await side.call("infer", "simple", side.numbers(), outputs=[made])
    assert result.as_numpy("OUTPUT0").tolist() == [[b"16:15", b"15:14"]]


async def a_result(side: Side) -> None:
    result = await side.call("infer", "simple", side.numbers(), request_id="seven")
    output = result.get_output("OUTPUT1")
    if side.is_grpc:
        output = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
    assert (output["name"], output["datatype"], output["shape"]) == ("OUTPUT1", "INT32", [1, 16])
    response = result.get_response(as_json=True) if side.is_grpc else result.get_response()
    assert (response["model_name"], response["id"]) == ("simple", "seven")
    assert result.get_output("nope") is None
    assert result.as_numpy("nope") is None


def of(class_name: str, exercise: Exercise, *methods: str) -> dict[str, Exercise]:
    return {f"{class_name}.{method}": exercise for method in methods}


CLIENT: dict[str, Exercise] = {
    "is_server_live": live,
    "is_server_ready": ready,
    "is_model_ready": model_ready,
    "get_server_metadata": server_metadata,
    "get_model_metadata": model_metadata,
    "get_model_config": model_config,
    "get_model_repository_index": index,
    "load_model": load,
    "unload_model": unload,
    "get_inference_statistics": statistics,
    "update_trace_settings": trace,
    "get_trace_settings": trace,
    "update_log_settings": logging,
    "get_log_settings": logging,
    "get_system_shared_memory_status": system_memory,
    "register_system_shared_memory": system_memory,
    "unregister_system_shared_memory": system_memory,
    "get_cuda_shared_memory_status": cuda_memory,
    "register_cuda_shared_memory": cuda_memory,
    "unregister_cuda_shared_memory": cuda_memory,
    "infer": infer,
    "async_infer": async_infer,
    "start_stream": stream,
    "async_stream_infer": stream,
    "stop_stream": stream,
    "stream_infer": stream_infer,
    "close": close,
    "plugin": plugin,
    "register_plugin": plugin,
    "unregister_plugin": plugin,
    "generate_request_body": bodies,
    "parse_response_body": bodies,
}

EXERCISES: dict[str, Exercise] = {
    **{f"InferenceServerClient.{method}": exercise for method, exercise in CLIENT.items()},
    **of("InferInput", an_input, "name", "shape", "datatype", "set_shape", "set_data_from_numpy"),
    **of("InferInput", system_memory, "set_shared_memory"),
    **of("InferRequestedOutput", an_output, "name"),
    **of("InferRequestedOutput", system_memory, "set_shared_memory", "unset_shared_memory"),
    **of("InferResult", a_result, "as_numpy", "get_output", "get_response"),
    **of("InferResult", bodies, "from_response_body"),
    **of("InferAsyncRequest", async_infer, "get_result"),
}
"""Public method → what calls it and looks at what comes back."""


@pytest.mark.parametrize("name", MODULES)
def test_no_method_is_left_out(name: str) -> None:
    assert keys_of(module_of(name)) - set(EXERCISES) == set()


def test_the_table_names_nothing_that_there_is_not() -> None:
    assert set(EXERCISES) - set().union(*(keys_of(module_of(name)) for name in MODULES)) == set()


def exercises_of(name: str) -> dict[Exercise, set[str]]:
    """Each exercise once, with the methods of the module that it is there for."""
    found: dict[Exercise, set[str]] = {}
    for key in sorted(keys_of(module_of(name)) & set(EXERCISES)):
        if (name, key) not in NOT_CALLED:
            found.setdefault(EXERCISES[key], set()).add(key)
    return found


def name_of(exercise: Exercise) -> str:
    return getattr(exercise, "__name__", "")


NOT_CALLED = {("http.aio", "InferAsyncRequest.get_result")}
"""Names that a module has only because it imports another's; its own client never makes one."""

PLAN = [(name, by, name_of(exercise)) for name, by in SIDES for exercise in exercises_of(name)]


@pytest.mark.parametrize(("side", "transport", "exercise"), PLAN, indirect=["transport"])
async def test_every_method(side: str, served: Any, exercise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {name_of(function): (function, keys) for function, keys in exercises_of(side).items()}
    function, keys = wanted[exercise]
    seen = watch(module_of(side), monkeypatch)
    async with opened(side, served) as made:
        await asyncio.wait_for(function(made), 60)
    assert keys - seen == set()
