"""The program of NAME_onnx_tokenize: a model of Triton's Python backend. It runs in that server, never here."""

from __future__ import annotations

MODEL = '''"""Texts to token ids. The Python of Triton's Python backend needs transformers: pip install transformers."""

import json
import os

import numpy as np
import triton_python_backend_utils as pb_utils
from transformers import AutoTokenizer


class TritonPythonModel:
    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.names = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests):
        responses = []
        for request in requests:
            texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().ravel().tolist()
            texts = [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts]
            padded = {"padding": True, "truncation": True, "pad_to_multiple_of": 8}
            tokens = self.tokenizer(texts, **padded, return_token_type_ids=True, return_tensors="np")
            tensors = [pb_utils.Tensor(name, tokens[name].astype(np.int32)) for name in self.names]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
'''
