"""The ONNX model `simple` for a Triton that has no ONNX Runtime backend: a Python model that runs the same file."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args: dict) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(path, options)
        self.names = [output.name for output in self.session.get_outputs()]

    def execute(self, requests: list) -> list:
        responses = []
        for request in requests:
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            found = dict(zip(self.names, self.session.run(self.names, arrays), strict=True))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(name, data) for name, data in found.items()]))
        return responses
