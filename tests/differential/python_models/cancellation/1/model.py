"""Asks whether anybody still waits, and gives up."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            told = [int(request.is_cancelled()), int(sender.is_cancelled())]
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array(told, np.int32))]))
            if request.inputs()[0].as_numpy()[0] < 0:
                error = pb_utils.TritonError("given up", pb_utils.TritonError.CANCELLED)
                sender.send(pb_utils.InferenceResponse(error=error), pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                continue
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
