"""`simple` as a model of Triton's Python backend: one numpy addition and subtraction per request.

Requests that the dynamic batcher joined come as a list; for sixteen numbers, concatenating them costs more than it
saves.
"""

from __future__ import annotations

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests: list) -> list:
        get, tensor, response = pb_utils.get_input_tensor_by_name, pb_utils.Tensor, pb_utils.InferenceResponse
        responses = []
        for request in requests:
            first, second = get(request, "INPUT0").as_numpy(), get(request, "INPUT1").as_numpy()
            responses.append(response([tensor("OUTPUT0", first + second), tensor("OUTPUT1", first - second)]))
        return responses
