"""Every tensor backend answers the same cases in the same way: outputs equal to inputs, whatever the runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from naiad.backends.registry import BACKENDS, find_backend
from naiad.core.contracts import Batch, Instance, LoadRequest, TensorFiles
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.modelconfig import finish, prepare

Load = Callable[..., Instance[InferRequest, InferResponse]]

ONNX_TYPES = {"TYPE_FP32": TensorProto.FLOAT, "TYPE_INT64": TensorProto.INT64, "TYPE_STRING": TensorProto.STRING}
TENSORS = {"x": ("TYPE_FP32", [2]), "n": ("TYPE_INT64", [1]), "s": ("TYPE_STRING", [2])}
"""Inputs of the model, whose outputs are called `x_out` and so on."""


def no_file(folder: Path, batches: bool) -> None:
    """For backends that are all code."""


def identity_graph(folder: Path, batches: bool) -> None:
    """An ONNX graph that does what the identity backend does."""

    def infos(suffix: str) -> list[onnx.ValueInfoProto]:
        lead: list[Any] = ["rows"] if batches else []
        return [
            helper.make_tensor_value_info(name + suffix, ONNX_TYPES[kind], [*lead, *dims])
            for name, (kind, dims) in TENSORS.items()
        ]

    nodes = [helper.make_node("Identity", [name], [name + "_out"]) for name in TENSORS]
    graph = helper.make_graph(nodes, "identity", infos(""), infos("_out"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


FILES = {"identity": no_file, "onnxruntime": identity_graph}
"""How each backend's file is made; a new backend is a new row."""


@pytest.fixture(params=sorted(FILES))
def load(request: Any, tmp_path: Path) -> Load:
    def make(max_batch_size: int = 8) -> Instance[InferRequest, InferResponse]:
        version = tmp_path / "m" / "2"
        version.mkdir(parents=True, exist_ok=True)
        FILES[request.param](version, max_batch_size > 0)
        described = [{"name": name, "data_type": kind, "dims": dims} for name, (kind, dims) in TENSORS.items()]
        outputs = [{**tensor, "name": f"{tensor['name']}_out"} for tensor in described]
        document = prepare(
            {"backend": request.param, "max_batch_size": max_batch_size, "input": described, "output": outputs}, "m"
        )
        backend = find_backend(request.param)
        config = finish(backend.complete(document, version, {}), model_dir=version.parent)
        instances: Any = backend.load(LoadRequest(TensorFiles(config, "2", version.parent, version), ("m_0",)))
        (instance,) = instances.narrow
        made: Instance[InferRequest, InferResponse] = instance
        return made

    return make


def case(rows: int, seed: int, wanted: Sequence[str] = (), batches: bool = True) -> InferRequest:
    lead = (rows,) if batches else ()
    values = [f"{seed}-{index}-é\0".encode() for index in range(2 * max(rows, 0 if batches else 1))]
    return InferRequest(
        "m",
        id=f"r{seed}",
        inputs={
            "x": Tensor.of("x", np.full((*lead, 2), seed, np.float32)),
            "n": Tensor.of("n", np.full((*lead, 1), -seed, np.int64)),
            "s": bytes_tensor("s", values, (*lead, 2)),
        },
        outputs=tuple(RequestedOutput(name) for name in wanted),
    )


def check(request: InferRequest, response: object) -> None:
    assert isinstance(response, InferResponse), response
    assert (response.model_name, response.model_version, response.id) == ("m", "2", request.id)
    names = [output.name for output in request.outputs] or [f"{name}_out" for name in TENSORS]
    assert [tensor.name for tensor in response.outputs] == names
    for tensor in response.outputs:
        given = request.inputs[tensor.name.removesuffix("_out")]
        assert tensor.datatype == given.datatype
        assert tensor.data.dtype == given.data.dtype
        assert tensor.shape == given.shape
        assert tensor.data.tolist() == given.data.tolist()


def test_every_backend_is_held_to_this_contract() -> None:
    assert sorted(FILES) == sorted(BACKENDS)


@pytest.mark.parametrize("rows", [[1], [3], [0], [1, 1], [2, 1, 3], [1, 0, 2]])
def test_each_request_gets_its_own_rows(load: Load, rows: list[int]) -> None:
    requests = [case(count, seed) for seed, count in enumerate(rows, start=1)]
    for request, response in zip(requests, load().execute(Batch(requests)), strict=True):
        check(request, response)


@pytest.mark.parametrize(
    "wanted", [[["x_out"]], [["s_out", "x_out"]], [["n_out"], []], [["n_out"], ["s_out", "n_out"]]]
)
def test_each_request_gets_the_outputs_it_asks_for(load: Load, wanted: list[list[str]]) -> None:
    requests = [case(2, seed, names) for seed, names in enumerate(wanted, start=1)]
    for request, response in zip(requests, load().execute(Batch(requests)), strict=True):
        check(request, response)


@pytest.mark.parametrize("count", [1, 3])
def test_models_without_a_batch_dimension(load: Load, count: int) -> None:
    requests = [case(1, seed, batches=False) for seed in range(count)]
    for request, response in zip(requests, load(max_batch_size=0).execute(Batch(requests)), strict=True):
        check(request, response)


def test_an_input_is_not_written_to(load: Load) -> None:
    request = case(2, 1)
    for tensor in request.inputs.values():
        tensor.data.setflags(write=False)
    (response,) = load().execute(Batch([request]))
    check(request, response)


def test_an_error_is_returned_in_its_place(load: Load) -> None:
    good, bad = case(1, 1), case(1, 2, ["x_out"])
    del bad.inputs["x"]
    first, second, third = load().execute(Batch([good, bad, good]))
    check(good, first)
    assert isinstance(second, InvalidRequest)
    check(good, third)


def test_stamps_are_set(load: Load) -> None:
    batch = Batch([case(1, 1)])
    load().execute(batch)
    assert 0 < batch.input_ready_s <= batch.output_ready_s


def test_two_instances_run_at_once_and_close_one_by_one(load: Load) -> None:
    instances = [load(), load()]
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            for seed in range(50):
                request = case(1 + seed % 3, seed * 2 + index)
                check(request, instances[index].execute(Batch([request]))[0])
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    instances[0].close()
    request = case(1, 1)
    check(request, instances[1].execute(Batch([request]))[0])
    instances[1].close()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_config_that_does_not_fit_is_a_load_error(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path, True)
    document = prepare(
        {
            "backend": name,
            "max_batch_size": 8,
            "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
            "output": [{"name": "x_out", "data_type": "TYPE_INT64", "dims": [2]}],
        },
        "m",
    )
    with pytest.raises(LoadFailed, match="'m'"):
        find_backend(name).load(LoadRequest(TensorFiles(finish(document), "2", tmp_path, tmp_path), ("m_0",)))
