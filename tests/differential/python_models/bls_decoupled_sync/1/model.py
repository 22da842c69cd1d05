"""Adds up the answers of a decoupled model."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        asked = pb_utils.InferenceRequest(
            model_name="square", inputs=[request.inputs()[0]], requested_output_names=["OUT"]
        )
        total, count = np.zeros(1, np.int32), 0
        for response in asked.exec(decoupled=True):
            if response.has_error():
                return pb_utils.InferenceResponse(error=response.error())
            if response.output_tensors():
                total += pb_utils.get_output_tensor_by_name(response, "OUT").as_numpy()
                count += 1
        if count == 7:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("seven answers"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("SUM", total)])
