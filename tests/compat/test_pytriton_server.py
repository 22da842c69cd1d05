"""`Triton` and what belongs to it, by PyTriton's names."""

from __future__ import annotations

import asyncio
import importlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http

from naiad.compat.pytriton.client import ModelClient
from naiad.compat.pytriton.client.exceptions import PyTritonClientError
from naiad.compat.pytriton.decorators import batch, first_value, pad_batch, triton_context
from naiad.compat.pytriton.exceptions import (
    PyTritonBadParameterError,
    PyTritonError,
    PyTritonInvalidOperationError,
    PyTritonRuntimeError,
    PyTritonUnrecoverableError,
    PyTritonValidationError,
)
from naiad.compat.pytriton.model_config import DynamicBatcher, ModelConfig, QueuePolicy, Tensor, TimeoutAction
from naiad.compat.pytriton.model_config.common import ModelWarmup, WarmupInput
from naiad.compat.pytriton.triton import RemoteTriton, Triton, TritonConfig, TritonLifecyclePolicy, TritonSecurityConfig

from .conftest import Running, X, Y, add_sub, free

A = np.array([1, 2], np.float32)


@batch
def double(x: Any) -> Any:
    return {"y": x * 2}


def infer(triton: Triton, model: str, *inputs: Any) -> Any:
    with ModelClient(Running(triton).grpc, model) as client:
        return client.infer_sample(*inputs)


def test_bound_before_the_start_and_after_it() -> None:
    triton = Triton(config=free())
    triton.bind("Before", double, [X], [Y])
    assert not triton.is_alive()
    with triton:
        assert triton.is_alive()
        assert triton.is_connected()
        triton.bind("After", double, [X], [Y])
        for name in ("Before", "After"):
            assert infer(triton, name, A)["y"].tolist() == [2.0, 4.0]
    assert not triton.is_alive()
    assert triton.stop() is False
    with pytest.raises(PyTritonInvalidOperationError, match="does not run"):
        _ = triton.http_address


def test_it_starts_again_with_what_was_bound() -> None:
    triton = Triton(config=free())
    triton.bind("Double", double, [X], [Y])
    for _ in range(2):
        triton.run()
        triton.connect()
        assert infer(triton, "Double", A)["y"].tolist() == [2.0, 4.0]
        assert triton.stop() is True


def test_two_servers_do_not_disturb_each_other() -> None:
    with Triton(config=free()) as first, Triton(config=free()) as second:
        first.bind("Model", double, [X], [Y])
        second.bind("Model", batch(lambda x: [x * 3]), [X], [Y])
        assert infer(first, "Model", A)["y"].tolist() == [2.0, 4.0]
        assert infer(second, "Model", A)["y"].tolist() == [3.0, 6.0]


def test_serve_waits_until_it_is_stopped() -> None:
    triton = Triton(config=free())
    triton.bind("Double", double, [X], [Y])
    thread = threading.Thread(target=triton.serve)
    thread.start()
    while not triton.is_alive():
        threading.Event().wait(0.01)
    triton.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_a_policy_starts_it_later() -> None:
    with Triton(config=free(), triton_lifecycle_policy=TritonLifecyclePolicy(launch_triton_on_startup=False)) as triton:
        assert not triton.is_alive()
        triton.run()
        assert triton.is_alive()


def test_versions_instances_and_one_function_twice() -> None:
    with Triton(config=free()) as triton:
        triton.bind("Model", [double, double], [X], [Y], model_version=1)
        triton.bind("Model", batch(lambda x: [x * 3]), [X], [Y], model_version=2)
        triton.bind("Other", double, [X], [Y])
        assert infer(triton, "Model", A)["y"].tolist() == [3.0, 6.0]
        assert infer(triton, "Other", A)["y"].tolist() == [2.0, 4.0]
        with ModelClient(Running(triton).http, "Model", "1") as client:
            assert client.infer_sample(A)["y"].tolist() == [2.0, 4.0]


def test_the_configuration_is_what_was_said() -> None:
    policy = QueuePolicy(TimeoutAction.DELAY, 1000, True, 7)
    batcher = DynamicBatcher(500, [4, 8], False, 2, 1, policy, {2: QueuePolicy(max_queue_size=3)})
    config = ModelConfig(max_batch_size=16, batcher=batcher, response_cache=True)
    with Triton(
        config=TritonConfig(http_port=0, grpc_port=0, metrics_port=0, cache_config=["local,size=1048576"])
    ) as triton:
        triton.bind("Model", double, [X], [Y], config=config)
        with tritonclient.http.InferenceServerClient(Running(triton).http.removeprefix("http://")) as client:
            found = client.get_model_config("Model")
    assert found["max_batch_size"] == 16
    batching = found["dynamic_batching"]
    assert (batching["max_queue_delay_microseconds"], batching["preferred_batch_size"]) == (500, [4, 8])
    assert batching["default_queue_policy"]["timeout_action"] == "DELAY"
    assert batching["priority_queue_policy"]["2"]["max_queue_size"] == 3
    assert found["response_cache"]["enable"] is True


def test_pad_batch_below_batch_answers_with_as_many_rows_as_were_asked() -> None:
    seen: list[int] = []

    @batch
    @pad_batch
    def padded(x: Any) -> Any:
        seen.append(len(x))
        return {"y": x}

    with Triton(config=free()) as triton:
        config = ModelConfig(max_batch_size=8, batcher=DynamicBatcher(preferred_batch_size=[4]))
        triton.bind("Padded", padded, [X], [Y], config=config)
        with ModelClient(Running(triton).grpc, "Padded") as client:
            assert client.infer_batch(np.ones((3, 1), np.float32))["y"].shape == (3, 1)
    assert seen == [4]


def test_triton_context_tells_the_model() -> None:
    @batch
    @first_value("x")
    @triton_context
    def infer_fn(x: Any, triton_context: Any) -> Any:
        config = triton_context.model_configs[infer_fn]
        return {"y": np.full((1, 1), config.max_batch_size, np.float32)}

    with Triton(config=free()) as triton:
        triton.bind("Context", infer_fn, [X], [Y], config=ModelConfig(max_batch_size=9))
        assert infer(triton, "Context", np.ones(1, np.float32))["y"].tolist() == [9.0]


def test_warm_up_runs_and_its_failure_is_an_error(tmp_path: Path) -> None:
    seen: list[Any] = []
    np.save(tmp_path / "x.npy", np.array([5.0], np.float32))

    @batch
    def warmed(x: Any, n: Any, s: Any) -> Any:
        seen.append((x.tolist(), n.dtype, s.shape))
        return {"y": x}

    inputs = [X, Tensor(name="n", dtype=np.int64, shape=(2,)), Tensor(name="s", dtype=object, shape=(1,))]
    warm = ModelWarmup(
        "w",
        2,
        {
            "x": WarmupInput(np.float32, (1,), input_data_file=str(tmp_path / "x.npy")),
            "n": WarmupInput(np.int64, (2,), random_data=True),
            "s": WarmupInput(np.object_, (1,), zero_data=True),
        },
        count=2,
    )
    with Triton(config=free()) as triton:
        triton.bind("Warm", warmed, inputs, [Y], config=ModelConfig(model_warmup=[warm]))
        assert seen == [([[5.0], [5.0]], np.int64, (2, 1))] * 2
        with pytest.raises(PyTritonRuntimeError, match="failed to run warmup sample"):
            triton.bind("Cold", lambda requests: 1 / 0, [X], [Y], config=ModelConfig(model_warmup=[
                ModelWarmup("w", 1, {"x": WarmupInput(np.float32, (1,), zero_data=True)}, 1)]))  # fmt: skip
        with pytest.raises(PyTritonBadParameterError, match="One of 'zero_data'"):
            triton.bind("None", double, [X], [Y], config=ModelConfig(model_warmup=[
                ModelWarmup("w", 1, {"x": WarmupInput(np.float32, (1,))}, 1)]))  # fmt: skip


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator"])
def test_an_unrecoverable_error_stops_the_server(kind: str) -> None:
    calls = []

    def plain(requests: Any) -> Any:
        calls.append(1)
        raise PyTritonUnrecoverableError("the GPU is gone")

    async def coroutine(requests: Any) -> Any:
        return plain(requests)

    def generator(requests: Any) -> Any:
        yield plain(requests)

    function = {"plain": plain, "coroutine": coroutine, "generator": generator}[kind]
    triton = Triton(config=free())
    triton.bind("Ends", function, [X], [Y], config=ModelConfig(decoupled=kind == "generator"))
    triton.run()
    address = Running(triton).http
    thread = threading.Thread(target=triton.serve)
    thread.start()
    with tritonclient.http.InferenceServerClient(address.removeprefix("http://")) as client:
        made = tritonclient.http.InferInput("x", [1, 1], "FP32").set_data_from_numpy(np.ones((1, 1), np.float32))
        with pytest.raises(Exception, match=r"the GPU is gone|decoupled"):
            client.infer("Ends", [made])
        if kind == "generator":
            triton.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert not triton.is_alive()
    assert len(calls) == (kind != "generator")


def test_outputs_of_another_type_are_cast_unless_it_is_strict() -> None:
    @batch
    def loose(x: Any) -> Any:
        return {"y": x.astype(np.float64)}

    with Triton(config=free()) as triton:
        triton.bind("Loose", loose, [X], [Y])
        triton.bind("Strict", loose, [X], [Y], strict=True)
        assert infer(triton, "Loose", A)["y"].dtype == np.float32, "cast, as PyTriton does"
        with pytest.raises(PyTritonClientError, match="float64 for output 'y'"):
            infer(triton, "Strict", A)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("a/b", double, [X], [Y]), {}, PyTritonValidationError, "letters, digits"),
        (("", double, [X], [Y]), {}, PyTritonValidationError, "letters, digits"),
        (("m", [5], [X], [Y]), {}, PyTritonValidationError, "callable or sequence"),
        (("m", double, [X], [Tensor((1,), np.int8, "y", True)]), {}, PyTritonValidationError, "cannot be optional"),
        (
            ("m", double, [X], [Y]),
            {"config": ModelConfig(max_batch_size=0)},
            PyTritonBadParameterError,
            "max_batch_size",
        ),
        (("taken", double, [X], [Y]), {}, PyTritonInvalidOperationError, "is bound already"),
    ],
)
def test_what_cannot_be_bound(arguments: Any, options: Any, error: type[PyTritonError], message: str) -> None:
    triton = Triton(config=free())
    triton.bind("taken", double, [X], [Y])
    with pytest.raises(error, match=message) as caught:
        triton.bind(*arguments, **options)
    assert caught.value.message == str(caught.value)


@pytest.mark.parametrize(
    ("batcher", "message"),
    [
        (DynamicBatcher(priority_levels=2, default_priority_level=3), "default_priority_level"),
        (DynamicBatcher(priority_queue_policy={1: QueuePolicy()}), "Provide the `priority_levels`"),
        (DynamicBatcher(priority_levels=2, priority_queue_policy={3: QueuePolicy()}), "Invalid `priority`=3"),
    ],
)
def test_levels_that_there_are_not(batcher: DynamicBatcher, message: str) -> None:
    with pytest.raises(PyTritonBadParameterError, match=message):
        Triton(config=free()).bind("m", double, [X], [Y], config=ModelConfig(batcher=batcher))


def test_options_come_from_the_program_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_HTTP_PORT", "1234")
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_GRPC_PORT", "1235")
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_ALLOW_METRICS", "false")
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_CACHE_CONFIG_0", "local,size=1048576")
    settings = Triton(config=TritonConfig(http_port=0))._arguments.settings
    assert (settings.http.port, settings.grpc.port, settings.metrics.allow) == (0, 1235, False)
    assert settings.cache_config == ("local,size=1048576",)
    assert settings.http.hosts == ("127.0.0.1",), "nothing is open to the network that nobody has opened"
    assert Triton(config=TritonConfig(http_address="0.0.0.0"))._arguments.settings.http.hosts == ("0.0.0.0",)  # noqa: S104
    monkeypatch.setenv("PYTRITON_TRITON_CONFIG_HTP_PORT", "1")
    with pytest.raises(PyTritonValidationError, match="there is no option htp_port"):
        Triton()


def test_options_that_cannot_be() -> None:
    with pytest.raises(PyTritonValidationError, match="has to be allowed"):
        TritonConfig(allow_http=False, allow_grpc=False)
    with pytest.raises(PyTritonValidationError, match="Invalid endpoint names: everything"):
        TritonSecurityConfig(restricted_endpoints=["everything"])
    with pytest.raises(PyTritonValidationError, match="http-port"):
        Triton(config=TritonConfig(http_port=99999))
    with pytest.raises(PyTritonInvalidOperationError, match="not offered here"):
        RemoteTriton("localhost")


def test_a_taken_port_is_an_error() -> None:
    with Triton(config=free()) as first:
        port = int(Running(first).http.rpartition(":")[2])
        with pytest.raises(PyTritonValidationError, match=r"cannot listen on .*Address already in use"):
            Triton(config=TritonConfig(http_port=port, grpc_port=0, metrics_port=0)).run()


def test_a_repository_beside_the_functions(tmp_path: Path) -> None:
    (tmp_path / "echo" / "1").mkdir(parents=True)
    (tmp_path / "echo" / "config.pbtxt").write_text(
        'backend: "identity"\nmax_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
    )
    config = TritonConfig(http_port=0, grpc_port=0, metrics_port=0, model_repository=tmp_path)
    with Triton(config=config) as triton:
        triton.bind("Double", double, [X], [Y])
        assert infer(triton, "echo", A)["y"].tolist() == [1.0, 2.0]
        assert infer(triton, "Double", A)["y"].tolist() == [2.0, 4.0]


NAMES = {
    "triton": "Triton TritonConfig TritonLifecyclePolicy TritonSecurityConfig RemoteTriton",
    "decorators": "batch sample group_by_keys group_by_values pad_batch first_value fill_optionals triton_context "
    "ConstantPadder TritonContext",
    "model_config": "Tensor ModelConfig DynamicBatcher QueuePolicy TimeoutAction DeviceKind",
    "model_config.tensor": "Tensor",
    "model_config.triton_model_config": "TritonModelConfig TensorSpec",
    "model_config.model_config": "ModelConfig",
    "model_config.common": "DynamicBatcher QueuePolicy TimeoutAction DeviceKind ModelWarmup WarmupInput",
    "client": "ModelClient AsyncioModelClient DecoupledModelClient AsyncioDecoupledModelClient FuturesModelClient",
    "client.exceptions": "PyTritonClientError PyTritonClientValueError PyTritonClientInvalidUrlError "
    "PyTritonClientTimeoutError PyTritonClientModelUnavailableError PyTritonClientClosedError "
    "PyTritonClientModelDoesntSupportBatchingError PyTritonClientInferenceServerError PyTritonClientQueueFullError",
    "exceptions": "PyTritonError PyTritonValidationError PyTritonInvalidOperationError PyTritonBadParameterError "
    "PyTritonModelConfigError PyTritonUnrecoverableError PyTritonRuntimeError",
    "proxy.types": "Request",
}
"""What scripts import, by module below `pytriton`."""


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_where_a_script_looks_for_it(module: str) -> None:
    found = importlib.import_module(f"naiad.compat.pytriton.{module}")
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_functions_are_called_as_in_pytriton() -> None:
    """An undecorated function gets requests, mappings with parameters."""
    seen: list[Any] = []

    async def infer_fn(requests: Any) -> Any:
        await asyncio.sleep(0)
        seen.extend(request.parameters for request in requests)
        return [{"y": request["x"]} for request in requests]

    with Triton(config=free()) as triton:
        triton.bind("Async", infer_fn, [X], [Y])
        with ModelClient(Running(triton).http, "Async") as client:
            assert client.infer_sample(A, parameters={"temperature": "0.5"})["y"].tolist() == [1.0, 2.0]
    assert seen[0]["temperature"] == "0.5"


def test_add_sub_is_the_self_test_of_pytriton() -> None:
    with Triton(config=free()) as triton:
        tensor = Tensor(dtype=np.float32, shape=(-1,))
        outputs = [Tensor(name="add", dtype=np.float32, shape=(-1,)), Tensor(name="sub", dtype=np.float32, shape=(-1,))]
        triton.bind("AddSub", add_sub, [tensor, tensor], outputs, config=ModelConfig(max_batch_size=128), strict=True)
        ones = np.ones((2, 1), np.float32)
        with ModelClient(Running(triton).http, "AddSub") as client:
            found = client.infer_batch(ones, ones)
    assert {name: array.tolist() for name, array in found.items()} == {
        "add": [[2.0], [2.0]],
        "sub": [[0.0], [0.0]],
    }
