"""The model `simple` for NVIDIA's server: its wheel has no ONNX backend, but a Python one."""

from __future__ import annotations

PYTHON_MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        left, right = (triton.get_input_tensor_by_name(request, f"INPUT{n}").as_numpy() for n in (0, 1))
        outputs = (left + right, left - right)
        return triton.InferenceResponse([triton.Tensor(f"OUTPUT{n}", made) for n, made in enumerate(outputs)])
"""
