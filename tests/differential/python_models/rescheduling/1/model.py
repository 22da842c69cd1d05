"""Comes back as many times as the request says before it answers."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.turns = 0

    def execute(self, requests):
        answers = []
        for request in requests:
            wanted = int(request.inputs()[0].as_numpy()[0])
            if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
                self.turns = 0
            self.turns += 1
            if self.turns < wanted:
                request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
                answers.append(None)
                continue
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([self.turns], np.int32))]))
        return answers
