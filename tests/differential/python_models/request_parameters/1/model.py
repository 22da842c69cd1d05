"""Tells what it is told with a request."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        told = [
            json.dumps(json.loads(request.parameters()), sort_keys=True),
            request.request_id(),
            str(request.correlation_id()),
            str(request.flags()),
            str(request.timeout()),
            str(request.is_cancelled()),
            str(sorted(request.requested_output_names())),
        ]
        texts = np.array([one.encode() for one in told], dtype=np.object_)
        return pb_utils.InferenceResponse([pb_utils.Tensor("text", texts)])
