"""Response senders of a model that is not decoupled."""

import threading

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            getattr(self, f"way_{int(request.inputs()[0].as_numpy()[0])}")(request.get_response_sender())

    def response(self, *told):
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array(told, np.int32))])

    def way_0(self, sender):
        sender.send(self.response(1), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def way_1(self, sender):
        sender.send(self.response(1, 2))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def way_2(self, sender):
        told = []
        for wrong in (
            lambda: sender.send(),
            lambda: sender.send(self.response(1), flags=4),
            lambda: sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL),
        ):
            try:
                wrong()
                told.append("no error")
            except pb_utils.TritonModelException as error:
                told.append(str(error))
        error = pb_utils.TritonError(" | ".join(told))
        sender.send(pb_utils.InferenceResponse(error=error), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def way_3(self, sender):
        threading.Thread(target=self.way_1, args=[sender]).start()
