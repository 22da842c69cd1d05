"""Adds up the answers of a decoupled model that is asked twice at the same time."""

import asyncio

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return await asyncio.gather(*[self.answer(request) for request in requests])

    async def answer(self, request):
        def ask():
            return pb_utils.InferenceRequest(
                model_name="square", inputs=[request.inputs()[0]], requested_output_names=["OUT"]
            ).async_exec(decoupled=True)

        total = np.zeros(1, np.int32)
        for responses in await asyncio.gather(ask(), ask()):
            for response in responses:
                if response.has_error():
                    return pb_utils.InferenceResponse(error=response.error())
                if response.output_tensors():
                    total += response.output_tensors()[0].as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("SUM", total)])
