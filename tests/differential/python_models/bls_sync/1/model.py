"""Asks the model that the request names."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        inputs = [pb_utils.get_input_tensor_by_name(request, f"INPUT{at}") for at in (0, 1)]
        name = pb_utils.get_input_tensor_by_name(request, "MODEL_NAME").as_numpy()[0].decode()
        asked = pb_utils.InferenceRequest(model_name=name, requested_output_names=["OUTPUT0", "OUTPUT1"], inputs=inputs)
        found = asked.exec()
        if found.has_error():
            raise pb_utils.TritonModelException(found.error().message())
        return pb_utils.InferenceResponse(output_tensors=found.output_tensors())
