"""sparse-embedding: weights of the vocabulary's words that match a text (SPLADE).

    inputs   text      BYTES [n]
    outputs  counts    INT64 [n]   how many weights each text has
             indices   INT64 [t]   numbers of the words in the vocabulary, ascending; text after text
             values    FP32  [t]   their weights
             tokens    BYTES [t]   the words

    parameters and options
        prompt_name       name of one of the checkpoint's prompts, put before each text
        prompt            the prompt itself; "" for none
        input_type        query or document: the checkpoint's prompt for such texts, and its way of encoding them
        max_active_dims   how many weights to keep, the largest; default: the checkpoint's, else all

Equal to sentence-transformers' SparseEncoder: `input_type` also chooses query_length or document_length of
sentence_bert_config.json, where there is one, as the longest text. If the checkpoint needs no inference for queries (a
Router with SparseStaticEmbedding), their words are looked up in its table and no model runs; `input_type` decides, or
else the router's default route.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.parameters import Parameters, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.prompts import Prompts
from naiad.tasks.response import respond
from naiad.tasks.retrieval.token_weights import TokenWeights, token_weights
from naiad.tasks.strings import read_texts, text_array
from naiad.tasks.tokenizing.settings import read_sentence_settings

WANTED = ("embedding",)

Weights = tuple[Array, Array]
"""Indices, ascending, and values."""


@dataclass(frozen=True, slots=True)
class _Asked:
    limit: int | None
    found: list[Weights] | None
    """What needed no model; None where one runs."""


class SparseEmbeddingTask:
    """Texts to weights of words."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for bad files."""
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("counts", "INT64", (-1,)),
            TensorConfig("indices", "INT64", (-1,)),
            TensorConfig("values", "FP32", (-1,)),
            TensorConfig("tokens", "BYTES", (-1,)),
        )
        self._tokenizer = parts.tokenizer
        self._of_kinds = {
            kind: parts.tokenizer.of_length(min(length, parts.spec.max_tokens))
            for kind, length in read_sentence_settings(parts.checkpoint.body).kind_lengths.items()
        }
        self._prompts = Prompts(parts.checkpoint)
        self._routes, self._default_route = token_weights(parts)
        limit = parts.checkpoint.sentence_settings.get("max_active_dims")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise LoadFailed(
                f"{parts.checkpoint.folder}: max_active_dims is {limit!r}, not a whole number of at least 1"
            )
        specs = [*self._prompts.specs(), whole_number("max_active_dims", limit)]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise, or look the words up. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        prompt = self._prompts.chosen(parameters)
        texts = [prompt + text for text in read_texts(request, "text")]
        limit = parameters["max_active_dims"]
        table = self._table(parameters["input_type"] or self._default_route)
        if table is not None:
            weights, cut = table.look_up(texts)
            return Preparation([], _Asked(limit, weights), cut)
        rows, cut = self._of_kinds.get(parameters["input_type"], self._tokenizer).encode(texts)
        return Preparation([TextTokens(ids, WANTED) for ids in rows], _Asked(limit, None), cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Leave the zeros out."""
        asked: _Asked = preparation.state
        found = asked.found if asked.found is not None else [_active(result["embedding"]) for result in results]
        if asked.limit is not None:
            found = [_largest(indices, values, asked.limit) for indices, values in found]
        indices = np.concatenate([indices for indices, _ in found]).astype(np.int64)
        tensors = [
            Tensor("counts", "INT64", np.array([len(one) for one, _ in found], np.int64)),
            Tensor("indices", "INT64", indices),
            Tensor("values", "FP32", np.concatenate([values for _, values in found])),
        ]
        if not request.outputs or any(output.name == "tokens" for output in request.outputs):
            words = [self._tokenizer.token(number) for number in indices.tolist()]
            tensors.append(Tensor("tokens", "BYTES", text_array(words)))
        return respond(request, preparation, tensors)

    def _table(self, route: str) -> TokenWeights | None:
        """What stands in for the model on a route. Raises InvalidRequest where the route is not told."""
        if not self._routes:
            return None
        if route not in self._routes:
            known = ", ".join(self._routes)
            raise InvalidRequest(f"parameter 'input_type' must say what the texts are: {known}", parameter="input_type")
        return self._routes[route]


def _active(vector: Array) -> Weights:
    indices = np.flatnonzero(vector)
    return indices, vector[indices]


def _largest(indices: Array, values: Array, limit: int) -> Weights:
    if len(values) <= limit:
        return indices, values
    kept = np.sort(np.argsort(-values, kind="stable")[:limit])
    return indices[kept], values[kept]
