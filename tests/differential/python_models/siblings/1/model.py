"""Code that lies beside the model's, and above it."""

import above
import beside

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("y", beside.times(request.inputs()[0].as_numpy(), above.FACTOR))]
            )
            for request in requests
        ]
