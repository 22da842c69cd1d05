"""Every wrong way to end."""

import triton_python_backend_utils as pb_utils


class Own(Exception):
    pass


class TritonPythonModel:
    def execute(self, requests):
        return getattr(self, f"way_{int(requests[0].inputs()[0].as_numpy()[0])}")(requests)

    def way_0(self, requests):
        raise ValueError("a value")

    def way_1(self, requests):
        raise pb_utils.TritonModelException("the batch")

    def way_2(self, requests):
        raise Own("its own")

    def way_3(self, requests):
        return requests[0].inputs()[9]

    def way_7(self, requests):
        return [pb_utils.InferenceResponse([]), pb_utils.InferenceResponse([])]

    def way_8(self, requests):
        return [pb_utils.InferenceResponse([]), 5][1:]

    def way_9(self, requests):
        raise KeyError("é 😀")
