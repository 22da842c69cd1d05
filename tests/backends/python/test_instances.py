"""What a plain model gets and gives: tensors of every datatype and size, ids, parameters, several workers."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.datatypes import TABLE
from naiad.core.errors import InvalidRequest, LoadFailed, NotReady
from naiad.core.message import InferRequest, SequenceStep
from naiad.core.model.config import InstanceGroup
from naiad.core.tensor import Tensor, bytes_tensor

from .conftest import IDENTITY, Code, answer, request_of, value

ECHO = """
    import json
    import os
    import triton_python_backend_utils as pb_utils
    from . import beside
    import beside as same

    class TritonPythonModel:
        def initialize(self, args):
            self.args = args

        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            said = {
                "id": request.request_id(),
                "correlation": request.correlation_id(),
                "flags": request.flags(),
                "timeout": request.timeout(),
                "parameters": json.loads(request.parameters()),
                "wanted": request.requested_output_names(),
                "cancelled": request.is_cancelled(),
                "args": self.args,
                "folder": pb_utils.get_model_dir(),
                "beside": [beside.VALUE, same.VALUE],
                "pid": os.getpid(),
            }
            given = request.inputs()[0].as_numpy()
            given[...] = given  # an input may be changed in place
            text = pb_utils.Tensor("said", __import__("numpy").array([json.dumps(said).encode()], object))
            return pb_utils.InferenceResponse([text], parameters={"n": 1, "ok": True, "s": "é"})
"""


def test_what_a_model_is_told(code: Code) -> None:
    code.write("VALUE = 7", "beside.py")
    instances = code.load_all(ECHO, "m_0", "m_1", output=[{"name": "said", "data_type": "TYPE_STRING", "dims": [1]}])
    request = request_of(parameters={"a": 1, "b": "é", "c": True, "d": 0.5})
    request.timeout_us, request.sequence = 9, SequenceStep("s", is_first=True, is_last=True)
    (response,) = instances.narrow[1].execute(Batch([request]))
    said = json.loads(value(response, "said")[0])
    assert (said["id"], said["correlation"], said["flags"], said["timeout"]) == ("r", "s", 3, 9)
    assert said["parameters"] == {"a": 1, "b": "é", "c": True, "d": 0.5}
    assert (said["wanted"], said["cancelled"], said["beside"]) == (["said"], False, [7, 7])
    assert said["folder"] == str(code.version)
    args = said["args"]
    assert json.loads(args.pop("model_config"))["name"] == "m"
    assert args == {
        "model_instance_kind": "CPU",
        "model_instance_name": "m_1",
        "model_instance_device_id": "0",
        "model_repository": str(code.folder),
        "model_version": "1",
        "model_name": "m",
    }
    assert response.parameters == {"n": 1, "ok": True, "s": "é"}
    (other,) = instances.narrow[0].execute(Batch([request]))
    assert json.loads(value(other, "said")[0])["pid"] not in (said["pid"], os.getpid())


def test_an_instance_of_a_gpu_is_told_which(code: Code) -> None:
    """One group for each GPU; the code puts its model there."""
    source = """
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def initialize(self, args):
                self.said = args["model_instance_kind"] + args["model_instance_device_id"]

            def execute(self, requests):
                return [pb_utils.InferenceResponse(error=pb_utils.TritonError(self.said)) for _ in requests]
    """
    files = code.files(source)
    groups = (InstanceGroup("m_0", "KIND_GPU", 1, gpu=0), InstanceGroup("m_1", "KIND_GPU", 1, gpu=1))
    groups = (*groups, InstanceGroup("m_2", "KIND_CPU", 1))
    on_gpus = replace(files, config=replace(files.config, instance_groups=groups))
    loaded = find_backend("python").load(LoadRequest(on_gpus, ("m_0_0", "m_1_0", "m_2_0")))
    try:
        said = [answer(instance, request_of()).message for instance in loaded.narrow]
    finally:
        loaded.close()
    assert [one.rpartition(": ")[2] for one in said] == ["GPU0", "GPU1", "CPU0"]


ALL = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [
                pb_utils.InferenceResponse([self.copied(tensor) for tensor in request.inputs()])
                for request in requests
            ]

        def copied(self, tensor):
            name = "out_" + tensor.name()
            if tensor.triton_dtype() == 14:
                return pb_utils.Tensor.from_dlpack(name, tensor)
            return pb_utils.Tensor(name, tensor.as_numpy())
"""


@pytest.fixture(scope="module")
def every(shared_code: Code) -> Any:
    """An identity of every datatype."""
    ports = {row.name: {"data_type": row.config_name, "dims": [-1, -1], "optional": True} for row in TABLE}
    inputs = [{"name": name, **port} for name, port in ports.items()]
    outputs = [{"name": f"out_{row.name}", "data_type": row.config_name, "dims": [-1, -1]} for row in TABLE]
    return shared_code.load(ALL, input=inputs, output=outputs)


def made(name: str, rows: int, columns: int) -> Tensor:
    row = next(row for row in TABLE if row.name == name)
    count = rows * columns
    if name == "BYTES":
        return bytes_tensor(name, [f"é{index}".encode() * (index % 7) for index in range(count)], (rows, columns))
    data = np.random.default_rng(count).integers(0, 2 if name == "BOOL" else 100, (rows, columns)).astype(row.numpy)
    return Tensor(name, name, data)


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (3, 1000), (100, 3000)])
@pytest.mark.parametrize("name", [row.name for row in TABLE])
def test_every_datatype_at_every_size(every: Any, name: str, shape: tuple[int, int]) -> None:
    given = made(name, *shape)
    response = answer(every, InferRequest("m", inputs={name: given}))
    (output,) = response.outputs
    assert (output.name, output.datatype, output.shape) == (f"out_{name}", name, shape)
    assert output.data.dtype == given.data.dtype
    assert np.array_equal(output.data, given.data)


def test_answers_stay_as_they_are_while_others_come(every: Any) -> None:
    """A region of shared memory is used again only when nobody holds anything in it."""
    held = []
    for seed in range(12):
        data = np.full((1, 50_000), seed, np.float32)
        held.append(answer(every, InferRequest("m", inputs={"FP32": Tensor("FP32", "FP32", data)})))
        if seed % 3 == 2:
            held.pop(0)
            gc.collect()
    assert [int(one.outputs[0].data[0, -1]) for one in held] == [int(one.outputs[0].data.max()) for one in held]
    assert len({int(one.outputs[0].data[0, 0]) for one in held}) == len(held)


def test_many_requests_and_tensors_in_one_batch(every: Any) -> None:
    """More than one packet holds, both as many small tensors and as long texts."""
    requests = [InferRequest("m", id="x" * 2000, inputs={"INT64": made("INT64", 4, 50)}) for _ in range(100)]
    responses = every.execute(Batch(requests))
    assert all(np.array_equal(one.outputs[0].data, requests[0].inputs["INT64"].data) for one in responses)


def test_layouts_of_memory(code: Code) -> None:
    source = """
        import numpy as np
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                wide = np.arange(40_000, dtype=">f4").reshape(200, 200)
                return [pb_utils.InferenceResponse([
                    pb_utils.Tensor("a", wide.T), pb_utils.Tensor("b", wide[::2, ::-3]),
                    pb_utils.Tensor("c", np.array([["one", "zwei"]])), pb_utils.Tensor("d", np.array([b"x", b"yy"])),
                ]) for _ in requests]
    """
    kinds = {"a": "TYPE_FP32", "b": "TYPE_FP32", "c": "TYPE_STRING", "d": "TYPE_STRING"}
    outputs = [{"name": n, "data_type": k, "dims": [-1] if n == "d" else [-1, -1]} for n, k in kinds.items()]
    response = answer(code.load(source, output=outputs), request_of())
    wide = np.arange(40_000, dtype=np.float32).reshape(200, 200)
    assert np.array_equal(value(response, "a"), wide.T)
    assert np.array_equal(value(response, "b"), wide[::2, ::-3])
    assert value(response, "c").tolist() == [[b"one", b"zwei"]]
    assert value(response, "d").tolist() == [b"x", b"yy"]


def test_shapes_that_the_model_has_otherwise(code: Code) -> None:
    source = """
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                shapes = [request.inputs()[0].shape() for request in requests]
                assert shapes == [[2, 3, 2]], shapes
                return [pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
                        for request in requests]
    """
    port = {"data_type": "TYPE_FP32", "dims": [6], "reshape": {"shape": [3, 2]}}
    instance = code.load(source, max_batch_size=4, input=[{"name": "x", **port}], output=[{"name": "y", **port}])
    assert value(answer(instance, request_of(x=np.ones((2, 6), np.float32)))).shape == (2, 6)


def test_closed_is_closed(code: Code) -> None:
    instance = code.load()
    instance.close()
    assert isinstance(answer(instance, request_of()), NotReady)


def test_errors_of_single_requests(code: Code) -> None:
    source = """
        import triton_python_backend_utils as pb_utils

        class TritonPythonModel:
            def execute(self, requests):
                error = pb_utils.TritonError("not this one", pb_utils.TritonError.INVALID_ARG)
                good = pb_utils.InferenceResponse([pb_utils.Tensor("y", requests[0].inputs()[0].as_numpy())])
                return [good, pb_utils.InferenceResponse(error=error), pb_utils.InferenceResponse(error=error), good]
    """
    first, second, _, last = code.load(source).execute(Batch([request_of() for _ in range(4)]))
    assert value(first).tolist() == value(last).tolist() == [1, 1]
    assert (type(second), second.message) == (InvalidRequest, "not this one")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("class Other: pass", "1/model.py has no class TritonPythonModel"),
        ("def broken(:", "SyntaxError: "),
        ("class TritonPythonModel: pass", "TritonPythonModel has no method execute"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "ended at the start: it exited with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended at the start: it was ended by SIGKILL"),
        (
            "class TritonPythonModel:\n    def execute(self, requests): pass\n    def initialize(self, args): 1 / 0",
            "initialize failed: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_code_that_cannot_be_a_model(code: Code, source: str, told: str) -> None:
    code.write(source)
    with pytest.raises(LoadFailed) as failed:
        code.load_all("", "m_0", "m_1")
    assert failed.value.message.startswith("model 'm': ")
    assert told in failed.value.message


def test_a_file_that_is_missing(code: Code) -> None:
    with pytest.raises(LoadFailed, match=r"there is no file 1/model\.py"):
        code.load_all()


def test_another_name_of_the_file(code: Code) -> None:
    code.write(IDENTITY, "my-model.v2.py")
    code.write("raise ValueError('not me')")
    instance = code.load("", default_model_filename="my-model.v2.py")
    assert value(answer(instance, request_of())).tolist() == [1, 1]


COMPLETING = """
    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            {body}
            return config

        def execute(self, requests):
            return [None for _ in requests]
"""
FULL = (
    "config.add_input({'name': 'a', 'data_type': 'TYPE_INT8', 'dims': [2], 'optional': True}); "
    "config.add_output({'name': 'b', 'data_type': 'TYPE_STRING', 'dims': [-1]}); "
    "config.set_max_batch_size(4); config.set_dynamic_batching(); "
    "config.set_model_transaction_policy({'decoupled': True})"
)


def test_a_model_completes_its_configuration(code: Code) -> None:
    config = code.files(COMPLETING.format(body=FULL), input=[], output=[]).config
    assert [(one.name, one.datatype, one.dims, one.optional) for one in config.inputs] == [("a", "INT8", (2,), True)]
    assert [(one.name, one.datatype, one.dims) for one in config.outputs] == [("b", "BYTES", (-1,))]
    assert (config.max_batch_size, config.is_decoupled, config.dynamic_batching is not None) == (4, True, True)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "config.add_input({'name': 'x', 'data_type': 'TYPE_INT8', 'dims': [2]})",
            "expects datatype TYPE_FP32 for input 'x', model provides TYPE_INT8",
        ),
        ("config.add_input({'data_type': 'TYPE_INT8', 'dims': [2]})", "is missing 'name' property"),
        ("config.set_max_batch_size(1)", "configuration specified max_batch_size 2, but in auto-complete"),
        ("config = None", "auto_complete_config must return the configuration that it is given, not NoneType"),
        ("import os; os._exit(1)", "exited with status 1"),
    ],
)
def test_a_completion_that_cannot_be(code: Code, body: str, told: str) -> None:
    with pytest.raises(LoadFailed) as failed:
        code.files(COMPLETING.format(body=body), max_batch_size=2)
    assert told in failed.value.message


def left() -> tuple[int, int]:
    """Descriptors, and mapped regions, of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), Path("/proc/self/maps").read_text().count("naiad-tensors")


def test_nothing_is_left_of_a_model(code: Code) -> None:
    """No process, no descriptor, no shared memory: of one that answered with large tensors, and of one that failed."""
    code.load().close()  # what is made once
    gc.collect()
    before = left()
    instance = code.load()
    pid = instance._supervisor.worker().pid
    large = answer(instance, request_of(x=np.ones(200_000, np.float32)))
    assert value(large).sum() == 200_000
    instance.close()
    assert not Path(f"/proc/{pid}").exists()
    assert value(large).sum() == 200_000
    with pytest.raises(LoadFailed):
        code.load("raise ValueError")
    del large
    gc.collect()
    assert left() <= before
