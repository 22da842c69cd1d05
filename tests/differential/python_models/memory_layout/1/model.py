"""Arrays that do not lie row by row in memory."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            tensor = request.inputs()[0]
            given = tensor.as_numpy()
            made = {"turned": given.T, "thinned": given[::2, ::-1], "scalar": np.float32([given.sum()])}
            tensors = [pb_utils.Tensor(*one) for one in made.items()]
            answers.append(pb_utils.InferenceResponse([*tensors, pb_utils.Tensor("same", given)]))
        return answers
