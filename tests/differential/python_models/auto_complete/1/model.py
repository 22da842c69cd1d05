"""Inputs and outputs that the code declares."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(auto_complete_model_config):
        inputs = [{"name": f"INPUT{at}", "data_type": "TYPE_FP32", "dims": [4]} for at in (0, 1)]
        outputs = [{"name": f"OUTPUT{at}", "data_type": "TYPE_FP32", "dims": [4]} for at in (0, 1)]
        config = auto_complete_model_config.as_dict()
        names = {"input": [one["name"] for one in config["input"]], "output": [one["name"] for one in config["output"]]}
        for one in inputs:
            if one["name"] not in names["input"]:
                auto_complete_model_config.add_input(one)
        for one in outputs:
            if one["name"] not in names["output"]:
                auto_complete_model_config.add_output(one)
        auto_complete_model_config.set_max_batch_size(0)
        return auto_complete_model_config

    def execute(self, requests):
        answers = []
        for request in requests:
            left, right = (pb_utils.get_input_tensor_by_name(request, f"INPUT{at}").as_numpy() for at in (0, 1))
            tensors = [pb_utils.Tensor("OUTPUT0", left + right), pb_utils.Tensor("OUTPUT1", left - right)]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
