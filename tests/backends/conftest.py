"""A model folder in a temporary place, with graphs of a few nodes made on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from naiad.backends.onnxruntime.backend import OnnxRuntimeBackend
from naiad.backends.onnxruntime.tensors import OnnxRuntimeInstance
from naiad.core.contracts import Instances, LoadRequest, TensorFiles
from naiad.core.message import InferRequest, RequestedOutput
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.modelconfig import finish, prepare

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
    "BF16": TensorProto.BFLOAT16,
}


class ModelFolder:
    """`m/1/model.onnx`, and the way from a config to an instance that the server takes."""

    def __init__(self, root: Path) -> None:
        self.path = root / "m"
        self.version = self.path / "1"
        self.version.mkdir(parents=True)
        self.backend = OnnxRuntimeBackend()

    def write(
        self,
        nodes: Sequence[tuple[str, str, str]],
        inputs: Mapping[str, tuple[str, Sequence[Any]]],
        outputs: Mapping[str, tuple[str, Sequence[Any] | None]],
        initializers: Sequence[onnx.TensorProto] = (),
        **attributes: Any,
    ) -> Path:
        """Write a graph; nodes are (operator, inputs, outputs) with names separated by spaces."""

        def infos(tensors: Mapping[str, tuple[str, Sequence[Any] | None]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, ONNX_TYPES[kind], dims) for name, (kind, dims) in tensors.items()
            ]

        made = [helper.make_node(kind, before.split(), after.split(), **attributes) for kind, before, after in nodes]
        graph = helper.make_graph(made, "g", infos(inputs), infos(outputs), list(initializers))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        path = self.version / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    def config(self, settings: Mapping[str, str] | None = None, **fields: Any) -> ModelConfig:
        """Prepare, complete from the graph and finish a config of the given fields."""
        document = prepare(fields, "m", ["model.onnx"])
        return finish(self.backend.complete(document, self.version, settings or {}), model_dir=self.path)

    def request(self, config: ModelConfig, *names: str, **more: Any) -> LoadRequest:
        """For instances of these names."""
        return LoadRequest(TensorFiles(config, "1", self.path, self.version), names, **more)

    def load_all(self, *names: str, settings: Mapping[str, str] | None = None, **fields: Any) -> Instances[Any]:
        """Instances of these names."""
        return self.backend.load(self.request(self.config(settings, **fields), *names, settings=settings or {}))

    def load(self, settings: Mapping[str, str] | None = None, **fields: Any) -> OnnxRuntimeInstance:
        """One instance."""
        (instance,) = self.load_all("m_0", settings=settings, **fields).narrow
        assert isinstance(instance, OnnxRuntimeInstance)
        return instance


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path)


def request_of(*wanted: str, **inputs: Any) -> InferRequest:
    """A request for `m`: arrays by name, or lists of bytes of shape (1, n)."""
    tensors = {
        name: bytes_tensor(name, value, (1, len(value))) if isinstance(value, list) else Tensor.of(name, value)
        for name, value in inputs.items()
    }
    return InferRequest("m", inputs=tensors, outputs=tuple(RequestedOutput(name) for name in wanted))


@pytest.fixture(name="request_of")
def request_of_fixture() -> Any:
    return request_of
