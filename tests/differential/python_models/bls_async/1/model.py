"""Asks two models at the same time."""

import asyncio

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        answers = []
        for request in requests:
            inputs = [pb_utils.get_input_tensor_by_name(request, f"INPUT{at}") for at in (0, 1)]
            asked = [
                pb_utils.InferenceRequest(
                    model_name=name, requested_output_names=["OUTPUT0", "OUTPUT1"], inputs=inputs
                ).async_exec()
                for name in ("add_sub", "auto_complete")
            ]
            first, second = await asyncio.gather(*asked)
            failed = [one.error().message() for one in (first, second) if one.has_error()]
            if failed:
                answers.append(pb_utils.InferenceResponse(error=pb_utils.TritonError(failed[0])))
                continue
            tensors = [
                pb_utils.get_output_tensor_by_name(first, "OUTPUT0"),
                pb_utils.get_output_tensor_by_name(second, "OUTPUT1"),
            ]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
