"""Sum and difference of two inputs."""

import json

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        declared = [pb_utils.get_output_config_by_name(config, f"OUTPUT{at}")["data_type"] for at in (0, 1)]
        self.dtypes = [pb_utils.triton_string_to_numpy(one) for one in declared]

    def execute(self, requests):
        answers = []
        for request in requests:
            left, right = (pb_utils.get_input_tensor_by_name(request, f"INPUT{at}").as_numpy() for at in (0, 1))
            made = (left + right, left - right)
            tensors = [
                pb_utils.Tensor(f"OUTPUT{at}", array.astype(dtype))
                for at, (array, dtype) in enumerate(zip(made, self.dtypes))
            ]
            answers.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return answers

    def finalize(self):
        self.dtypes = []
