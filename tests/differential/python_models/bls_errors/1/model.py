"""Requests to other models that go wrong."""

import numpy as np
import triton_python_backend_utils as pb_utils


def asked(model, names=("OUTPUT0",), inputs=(), **more):
    tensors = [pb_utils.Tensor(name, array) for name, array in inputs]
    return pb_utils.InferenceRequest(model_name=model, inputs=tensors, requested_output_names=list(names), **more)


FOUR = np.ones(4, np.float32)
BOTH = (("INPUT0", FOUR), ("INPUT1", FOUR))


class TritonPythonModel:
    def initialize(self, args):
        try:
            asked("add_sub", inputs=BOTH).exec()
            self.early = "no error"
        except pb_utils.TritonModelException as error:
            self.early = str(error)

    def execute(self, requests):
        calls = [
            asked("nobody", inputs=BOTH),
            asked("add_sub", inputs=BOTH, model_version=9),
            asked("add_sub", inputs=BOTH[:1]),
            asked("add_sub", inputs=(BOTH[0], ("INPUT1", np.ones(3, np.float32)))),
            asked("add_sub", inputs=(BOTH[0], ("INPUT1", np.ones(4, np.int32)))),
            asked("add_sub", names=["nothing"], inputs=BOTH),
            asked("raising", names=["y"], inputs=[("x", np.array([1], np.int32))]),
            asked("error_codes", names=["y"], inputs=[("x", np.array([2], np.int32))]),
            asked("square", names=["OUT"], inputs=[("IN", np.array([2], np.int32))]),
            asked("add_sub", inputs=BOTH),
        ]
        told = [self.early, *(self.tell(call) for call in calls)]
        told.append(self.tell_stream(asked("square", names=["OUT"], inputs=[("IN", np.array([-1], np.int32))])))
        told.append(self.tell_stream(asked("nobody", names=["OUT"], inputs=[("IN", np.array([1], np.int32))])))
        texts = np.array([one.encode() for one in told], dtype=np.object_)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("text", texts)]) for _ in requests]

    def tell(self, call):
        try:
            found = call.exec()
        except pb_utils.TritonModelException as error:
            return f"raised: {error}"
        if found.has_error():
            return f"error {found.error().code()}: {found.error().message()}"
        return str([[one.name(), one.as_numpy().tolist()] for one in found.output_tensors()])

    def tell_stream(self, call):
        try:
            return str([one.error().message() if one.has_error() else "answer" for one in call.exec(decoupled=True)])
        except pb_utils.TritonModelException as error:
            return f"raised: {error}"
