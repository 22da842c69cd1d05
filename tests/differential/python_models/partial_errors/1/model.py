"""Errors for some requests of a batch."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            given = request.inputs()[0].as_numpy()
            if (given % 2).any():
                answers.append(
                    pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{given.ravel().tolist()} is odd"))
                )
            else:
                answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", given // 2)]))
        return answers
