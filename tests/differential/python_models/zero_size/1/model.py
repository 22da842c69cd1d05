"""Tensors without elements, in and out."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            given = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            texts = pb_utils.get_input_tensor_by_name(request, "s")
            kept = given[given[:, 0] > 0]
            found = np.array([], dtype=np.object_) if texts is None else texts.as_numpy()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", kept), pb_utils.Tensor("t", found)]))
        return answers
