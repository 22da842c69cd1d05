"""Response senders of a decoupled model, right and wrong."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender, told = request.get_response_sender(), []

            def tell(call, *arguments, **more):
                try:
                    call(*arguments, **more)
                    told.append("no error")
                except pb_utils.TritonModelException as error:
                    told.append(str(error))

            tell(sender.send)
            tell(sender.send, self.response(["first"]), flags=8)
            sender.send(self.response(told))
            sender.send(self.response([]))
            error = pb_utils.TritonError("in between", pb_utils.TritonError.UNAVAILABLE)
            sender.send(pb_utils.InferenceResponse(error=error))
            sender.send(self.response(["last"]), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            tell(sender.send, self.response(["late"]))
            tell(sender.send, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            pb_utils.Logger.log_info(str(told))

    def response(self, told):
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("text", np.array([one.encode() for one in told], dtype=np.object_))]
        )
