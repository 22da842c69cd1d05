"""text-classification: labels for texts, with their scores.

    inputs   text        BYTES [n]
             text_pair   BYTES [n]      optional: second texts, for models trained on pairs; "" for none
    outputs  label       BYTES [n]      the best label
             score       FP32  [n]      its score
             labels      BYTES [n, k]   labels, best first or in the checkpoint's order
             scores      FP32  [n, k]   their scores

    parameters and options
        top_k               how many labels to give (k), best first; default: all
        order               best, or class: `labels` and `scores` in the order of config.json's id2label
        function_to_apply   softmax, sigmoid, tanh, none, or default: none for regression, sigmoid for several labels at
                            once or one label, else softmax, by config.json's problem_type and label count; for a
                            CrossEncoder what its files name, else sigmoid for one label and none for more
        prompt_name         name of one of the checkpoint's prompts, put before each text; default: the checkpoint's
        prompt              the prompt itself; "" for none

Scores equal those of transformers' pipeline with top_k=None or, for a CrossEncoder, those of sentence-transformers. An
ONNX file that ends in a softmax or a sigmoid gives its scores as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Tensor
from naiad.tasks.activation import default_function
from naiad.tasks.labels import LABEL_OUTPUTS, label_tensors
from naiad.tasks.parameters import Parameters, one_of, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.prompts import Prompts
from naiad.tasks.response import respond
from naiad.tasks.scores import apply_function, best
from naiad.tasks.strings import read_optional_texts, read_texts, text_array

WANTED = ("logits",)


class ClassificationTask:
    """Texts to labels."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for a bad config.json."""
        width = parts.width("logits")
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (
            TensorConfig("text", "BYTES", (-1,)),
            TensorConfig("text_pair", "BYTES", (-1,), optional=True),
        )
        self.outputs = LABEL_OUTPUTS
        self._tokenizer = parts.tokenizer
        self._labels = text_array(parts.checkpoint.labels(width))
        self._prompts = Prompts(parts.checkpoint)
        functions = ("default", "softmax", "sigmoid", "tanh", "none")
        specs = [
            whole_number("top_k", width),
            one_of("function_to_apply", "default", functions),
            one_of("order", "best", ("best", "class")),
            *self._prompts.specs(kinds=False),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)
        function = self._parameters.of({})["function_to_apply"]
        if function == "default":
            function = "none" if parts.spec.gives_shares else default_function(parts.checkpoint, width)
        self._default_function = function

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        prompt = self._prompts.chosen(parameters)
        texts = [prompt + text for text in read_texts(request, "text")]
        pairs = read_optional_texts(request, "text_pair")
        if pairs is None:
            rows, cut = self._tokenizer.encode(texts)
            return Preparation([TextTokens(ids, WANTED) for ids in rows], parameters, cut)
        if len(pairs) != len(texts):
            raise InvalidRequest(f"'text' has {len(texts)} elements and 'text_pair' {len(pairs)}: they go in pairs")
        return self._prepare_pairs(texts, pairs, parameters)

    def _prepare_pairs(self, texts: list[str], pairs: list[str], parameters: Mapping[str, Any]) -> Preparation:
        """Pairs as rows; a text whose second text is empty stands alone."""
        preparation = Preparation([], parameters)
        for text, pair in zip(texts, pairs, strict=True):
            if pair:
                row = self._tokenizer.encode_pairs([(text, pair)], "longest")[0]
                preparation.texts.append(TextTokens(row.ids, WANTED, row.type_ids))
                preparation.truncated += row.is_cut
            else:
                rows, cut = self._tokenizer.encode([text])
                preparation.texts.append(TextTokens(rows[0], WANTED))
                preparation.truncated += cut
        return preparation

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Score the labels and sort them."""
        parameters = preparation.state
        logits = np.stack([result["logits"] for result in results])
        function = parameters["function_to_apply"]
        scores = apply_function(self._default_function if function == "default" else function, logits)
        order, shown = best(scores, parameters["top_k"])
        tensors = label_tensors(self._labels[order], shown)
        if parameters["order"] == "class":
            order = np.sort(order, axis=-1)
            tensors[2] = Tensor("labels", "BYTES", self._labels[order])
            tensors[3] = Tensor("scores", "FP32", np.take_along_axis(scores, order, axis=-1))
        return respond(request, preparation, tensors)
