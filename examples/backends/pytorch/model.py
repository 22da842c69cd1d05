"""Serves TorchScript files (model.pt) and exported programs (.pt2) of a Triton repository as they are.

naiad serve ./models --backend-directory examples/backends
"""

import json
import re
from pathlib import Path

import torch
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        on_gpu = args["model_instance_kind"] == "GPU"
        self.device = torch.device(f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu")
        self.batches = config["max_batch_size"] > 0
        self.inputs = in_order([one["name"] for one in config["input"]])
        self.outputs = in_order([one["name"] for one in config["output"]])
        file = Path(pb_utils.get_model_dir()) / (config.get("default_model_filename") or "model.pt")
        if file.suffix == ".pt2":
            self.model = torch.export.load(file).module().to(self.device)
        else:
            self.model = torch.jit.load(str(file), map_location=self.device).eval()

    def execute(self, requests):
        groups = [requests] if self.batches else [[request] for request in requests]
        return [response for group in groups for response in self.run(group)]

    def run(self, requests):
        """Run requests that may be joined, and split the answers again."""
        rows = [[pb_utils.get_input_tensor_by_name(one, name).as_numpy() for name in self.inputs] for one in requests]
        joined = [torch.cat([torch.from_numpy(array) for array in column]) for column in zip(*rows, strict=True)]
        with torch.inference_mode():
            answers = self.model(*[tensor.to(self.device) for tensor in joined])
        if isinstance(answers, torch.Tensor):
            answers = [answers]
        if isinstance(answers, dict):
            answers = [answers[name] for name in self.outputs]
        counts = [len(row[0]) for row in rows]
        parts = [answer.cpu().split(counts) if self.batches else [answer.cpu()] for answer in answers]
        for each in zip(*parts, strict=True):
            tensors = [pb_utils.Tensor(name, part.numpy()) for name, part in zip(self.outputs, each, strict=True)]
            yield pb_utils.InferenceResponse(tensors)


def in_order(names):
    """INPUT__0, INPUT__1 … by their numbers, as Triton; other names stay in the order of config.pbtxt."""
    numbers = [re.fullmatch(r".+__(\d+)", name) for name in names]
    return sorted(names, key=lambda name: int(name.rpartition("__")[2])) if all(numbers) else names
