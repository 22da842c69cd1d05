"""First step of the ensemble of a text model: text to tokens."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

NAMES = ("input_ids", "attention_mask", "token_type_ids")


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.tokenizer = Tokenizer.from_file(parameters["tokenizer"]["string_value"])
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def execute(self, requests):
        return [self.answer(request.inputs()[0].as_numpy()) for request in requests]

    def answer(self, texts):
        one = self.tokenizer.encode(texts.reshape(-1)[0].decode())
        rows = (one.ids, one.attention_mask, one.type_ids)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, np.array([row], np.int64)) for name, row in zip(NAMES, rows, strict=True)]
        )
