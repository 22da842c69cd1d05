"""A model of Triton's Python backend that takes ten milliseconds for a batch of any size and gives back what it got."""

from __future__ import annotations

import time

import triton_python_backend_utils as pb_utils

SECONDS = 0.010


class TritonPythonModel:
    def execute(self, requests: list) -> list:
        time.sleep(SECONDS)
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("OUT", pb_utils.get_input_tensor_by_name(one, "IN").as_numpy())]
            )
            for one in requests
        ]
