"""A model that gives back what it is given: in Python, as the wheel of NVIDIA's server has no identity backend."""

from __future__ import annotations


def identity_in_python(given: str = "INPUT0", made: str = "OUTPUT0", *, run_s: float = 0.0) -> str:
    """Return the model.py. given, made: names of its input and its output. run_s: seconds of each execution."""
    return f"""
import time
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({run_s})
        found = [triton.get_input_tensor_by_name(request, "{given}").as_numpy() for request in requests]
        return [triton.InferenceResponse([triton.Tensor("{made}", array)]) for array in found]
"""
