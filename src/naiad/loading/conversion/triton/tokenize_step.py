"""The program of NAME_onnx_tokenize: a model of Triton's Python backend. It runs in that server, never here."""

from __future__ import annotations

SETTINGS = "naiad_texts.json"
"""What the program obeys; it lies beside it, see `texts.py`."""

MODEL = '''"""Texts to token ids. The Python of Triton's Python backend needs transformers: pip install transformers."""

import json
import os

import numpy as np
import triton_python_backend_utils as pb_utils
from transformers import AutoTokenizer

SETTINGS = "naiad_texts.json"
MULTIPLE = 8


def lowercase_first(tokenizer):
    """Make text lower case before the tokenizer's own normalizer; special tokens stay as they are written."""
    from tokenizers import normalizers

    backend = tokenizer.backend_tokenizer
    own = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])


class TritonPythonModel:
    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        with open(os.path.join(folder, SETTINGS), encoding="utf-8") as file:
            self.settings = json.load(file)
        options = {**self.settings["tokenizer_args"], "local_files_only": True, "trust_remote_code": False}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        self.lowers = self.settings["lowercases"] and not self.tokenizer.is_fast
        if self.settings["lowercases"] and not self.lowers:
            lowercase_first(self.tokenizer)
        self.names = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().ravel().tolist()
        texts = [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts]
        rows = self.rows(texts) if texts else []
        lengths = [len(row) for row in rows]
        if not all(lengths):
            return refusal(f"text {lengths.index(0)} has no tokens: this model cannot take an empty text")
        if not self.settings["pads"] and len(set(lengths)) > 1:
            return refusal("this model's answers depend on padding: send texts of different lengths one by one")
        tensors = self.tensors(rows, self.width(max(lengths, default=0)))
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, tensors[name]) for name in self.names])

    def rows(self, texts):
        texts = [self.settings["prompt"] + text for text in texts]
        if self.lowers:
            texts = [text.lower() for text in texts]
        cut = {"truncation": True, "max_length": self.settings["max_tokens"]}
        return self.tokenizer(texts, padding=False, return_attention_mask=False, **cut)["input_ids"]

    def width(self, longest):
        if not self.settings["pads"]:
            return longest
        return min(-(-longest // MULTIPLE) * MULTIPLE, self.settings["max_tokens"])

    def tensors(self, rows, width):
        ids = np.full((len(rows), width), self.settings["pad_token_id"], np.int32)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def refusal(message):
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message))
'''
