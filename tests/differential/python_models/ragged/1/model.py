"""Rows of any length in one batch."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        arrays = [request.inputs()[0].as_numpy() for request in requests]
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", array.sum(axis=1, keepdims=True, dtype=np.int32))])
            for array in arrays
        ]
