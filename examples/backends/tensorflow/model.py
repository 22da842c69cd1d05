"""Serves SavedModels (model.savedmodel) of a Triton repository as they are.

naiad serve ./models --backend-directory examples/backends
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.batches = config["max_batch_size"] > 0
        self.inputs = [one["name"] for one in config["input"]]
        self.outputs = [one["name"] for one in config["output"]]
        signature = config.get("parameters", {}).get("TF_SIGNATURE_DEF", {}).get("string_value", "serving_default")
        folder = Path(pb_utils.get_model_dir()) / (config.get("default_model_filename") or "model.savedmodel")
        on_gpu = args["model_instance_kind"] == "GPU"
        self.device = f"/GPU:{args['model_instance_device_id']}" if on_gpu else "/CPU:0"
        with tf.device(self.device):
            self.model = tf.saved_model.load(str(folder))  # keeps the signature's variables alive
        self.call = self.model.signatures[signature]

    def execute(self, requests):
        groups = [requests] if self.batches else [[request] for request in requests]
        return [response for group in groups for response in self.run(group)]

    def run(self, requests):
        """Run requests that may be joined, and split the answers again."""
        arrays = {
            name: np.concatenate([pb_utils.get_input_tensor_by_name(one, name).as_numpy() for one in requests])
            for name in self.inputs
        }
        counts = [len(pb_utils.get_input_tensor_by_name(one, self.inputs[0]).as_numpy()) for one in requests]
        with tf.device(self.device):
            answers = self.call(**{name: tf.constant(array) for name, array in arrays.items()})
        ends = np.cumsum(counts)[:-1]
        arrays = [answers[name].numpy() for name in self.outputs]
        parts = [np.split(array, ends) if self.batches else [array] for array in arrays]
        for each in zip(*parts, strict=True):
            tensors = [pb_utils.Tensor(name, part) for name, part in zip(self.outputs, each, strict=True)]
            yield pb_utils.InferenceResponse(tensors)
