"""A product of matrices, whose result lies column by column in memory."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            left, right = (pb_utils.get_input_tensor_by_name(request, f"INPUT{at}").as_numpy() for at in (0, 1))
            product = np.asarray(np.matmul(left, right), order="F")  # arrays of other libraries need not be row-major
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", product)]))
        return answers
