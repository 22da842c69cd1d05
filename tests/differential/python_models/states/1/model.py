"""Tells which implicit states it is given: at the start from zeros and from a file; a Python model changes none."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        given = {one.name(): one.as_numpy() for one in request.inputs()}
        told = str([(name, given[name].tolist()) for name in sorted(given)] + sorted(request.requested_output_names()))
        tensors = [
            pb_utils.Tensor("y", given["x"] + given["S_IN"] + given["F_IN"]),
            pb_utils.Tensor("told", np.array([told.encode()], dtype=np.object_)),
            pb_utils.Tensor("S_OUT", given["S_IN"] + given["x"]),
            pb_utils.Tensor("F_OUT", given["F_IN"] * 2),
        ]
        return pb_utils.InferenceResponse(tensors)
