"""Tells what it was told when it was loaded."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.told = [
            args["model_instance_kind"],
            args["model_instance_device_id"],
            args["model_instance_name"],
            args["model_name"],
            args["model_version"],
            args["model_repository"].rsplit("/", 1)[-1],
            pb_utils.get_model_dir().rsplit("/", 2)[-2],
            config["parameters"]["mine"]["string_value"],
            config["name"],
            config["instance_group"][0]["kind"],
            str(config["max_batch_size"]),
            str(sorted(args)),
        ]

    def execute(self, requests):
        texts = np.array([one.encode() for one in self.told], dtype=np.object_)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("text", texts)]) for _ in requests]
