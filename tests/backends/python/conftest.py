"""Models of a few lines, in workers of their own; every worker that a test starts is ended with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, Instances, LoadRequest, TensorFiles
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.modelconfig import finish, prepare

PORT = {"data_type": "TYPE_FP32", "dims": [-1]}
IDENTITY = """
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def execute(self, requests):
            return [self.answer(request) for request in requests]

        def answer(self, request):
            return pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())])
"""


class Code:
    """Starts models in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "m"
        self.version = self.folder / "1"
        self.version.mkdir(parents=True)
        self._loaded: list[Instances[Any]] = []

    def write(self, source: str, name: str = "model.py") -> None:
        (self.version / name).write_text(textwrap.dedent(source))

    def files(self, source: str = "", *, settings: dict[str, str] | None = None, **fields: Any) -> TensorFiles:
        """The model's files, its configuration completed by its own code."""
        if source:
            self.write(source)
        given = {"backend": "python", "input": [{"name": "x", **PORT}], "output": [{"name": "y", **PORT}], **fields}
        backend = find_backend("python")
        document = backend.complete(dict(prepare(given, "m")), self.version, settings or {})
        return TensorFiles(finish(document, model_dir=self.folder), "1", self.folder, self.version)

    def load_all(
        self, source: str = "", *names: str, settings: dict[str, str] | None = None, hang_s: float = 0.0, **fields: Any
    ) -> Instances[Any]:
        files = self.files(source, settings=settings, **fields)
        names = names or ("m_0",)
        request = LoadRequest(files, names, settings=settings or {}, hang_timeout_s=hang_s)
        loaded = find_backend("python").load(request)
        self._loaded.append(loaded)
        return loaded

    def load(self, source: str = IDENTITY, **more: Any) -> Any:
        """One instance."""
        return self.load_all(source, **more).narrow[0]

    def close(self) -> None:
        for one in self._loaded:
            for instance in one.all:
                instance.interrupt()
            one.close()


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Code]:
    made = Code(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Code]:
    """For tests that need not start a worker each."""
    made = Code(tmp_path_factory.mktemp("models"))
    yield made
    made.close()


def request_of(*wanted: str, parameters: dict[str, Any] | None = None, **inputs: Any) -> InferRequest:
    tensors = {
        name: bytes_tensor(name, value) if isinstance(value, list) else Tensor.of(name, value)
        for name, value in (inputs or {"x": np.ones(2, np.float32)}).items()
    }
    outputs = tuple(map(RequestedOutput, wanted))
    return InferRequest("m", id="r", inputs=tensors, outputs=outputs, parameters=parameters or {})


def answer(instance: Any, request: InferRequest) -> Any:
    """The one answer to one request."""
    (found,) = instance.execute(Batch([request]))
    return found


def value(response: Any, name: str = "y") -> Any:
    assert isinstance(response, InferResponse), response
    return next(tensor for tensor in response.outputs if tensor.name == name).data
