"""Wrong calls of the module, and the parts of a request that was made by hand."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


def wrong_calls():
    one = np.ones(2, np.int32)
    yield lambda: pb_utils.Tensor("", one)
    yield lambda: pb_utils.Tensor("x", [1, 2])
    yield lambda: pb_utils.Tensor(5, one)
    yield lambda: pb_utils.InferenceResponse([one])
    yield lambda: pb_utils.InferenceResponse(["x"])
    yield lambda: pb_utils.InferenceRequest(model_name="", inputs=[], requested_output_names=[])
    yield lambda: pb_utils.InferenceRequest(inputs=[], requested_output_names=["y"])
    yield lambda: pb_utils.InferenceRequest(model_name="add_sub", inputs=[None], requested_output_names=["y"])
    yield lambda: pb_utils.InferenceRequest(
        model_name="add_sub", inputs=[], requested_output_names=[], parameters={"a": 1.5}
    )
    yield lambda: pb_utils.InferenceRequest(
        model_name="add_sub", inputs=[], requested_output_names=[], parameters={1: 1}
    )
    yield lambda: pb_utils.get_input_tensor_by_name(None, "x")
    yield lambda: pb_utils.triton_string_to_numpy("TYPE_NOTHING")


class TritonPythonModel:
    def execute(self, requests):
        told = []
        for call in wrong_calls():
            try:
                call()
                told.append("no error")
            except Exception as error:
                kind = type(error).__name__
                plain = str(error) if isinstance(error, pb_utils.TritonModelException) else ""
                told.append(f"{kind}: {plain}".partition(" for '")[0])
        made = pb_utils.InferenceRequest(
            request_id="r",
            correlation_id=5,
            model_name="add_sub",
            model_version=1,
            flags=1,
            timeout=7,
            inputs=[pb_utils.Tensor("x", np.ones(2, np.int32))],
            requested_output_names=["y"],
            parameters={"a": 1, "b": "c", "d": True},
        )
        told += [made.request_id(), str(made.correlation_id()), str(made.flags()), str(made.timeout())]
        told += [str(sorted(made.requested_output_names())), json.dumps(json.loads(made.parameters()), sort_keys=True)]
        made.set_flags(2)
        told += [str(made.flags()), made.inputs()[0].name()]
        texts = np.array([one.encode() for one in told], dtype=np.object_)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("text", texts)]) for _ in requests]
