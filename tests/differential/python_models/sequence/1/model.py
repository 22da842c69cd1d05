"""Adds up a sequence; tells its controls, flags and id."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.total = 0

    def execute(self, requests):
        answers = []
        for request in requests:
            start, end, name = (pb_utils.get_input_tensor_by_name(request, one) for one in ("START", "END", "CORRID"))
            if int(start.as_numpy().item()):
                self.total = 0
            self.total += int(pb_utils.get_input_tensor_by_name(request, "x").as_numpy().sum())
            told = [self.total, int(start.as_numpy().item()), int(end.as_numpy().item()), int(name.as_numpy().item())]
            told += [request.flags(), int(request.correlation_id())]
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array(told, np.int32))]))
        return answers
