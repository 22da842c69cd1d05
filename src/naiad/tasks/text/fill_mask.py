"""fill-mask: the tokens that fit in place of a mask.

    inputs   text         BYTES [n]          each with at least one mask token ([MASK], <mask> …)
    outputs  token        BYTES [m, k]       the tokens that fit, best first; m masks over all texts, in order
             token_id     INT64 [m, k]       their numbers
             score        FP32  [m, k]       their scores
             sequence     BYTES [m, k]       the text with the token in the mask's place
             text_index   INT64 [m]          which text the mask is in

    parameters and options
        top_k     how many tokens to give (k); default 5, at most as many as there are targets
        targets   only these tokens, separated by commas or as a JSON array; a word that is not one token stands for its
                  first token

With one mask per text, m is n. Answers equal those of transformers' pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.parameters import Parameters, text_list, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.scores import best_of_many, softmax
from naiad.tasks.strings import read_texts, text_array

WANTED = ("logits",)


@dataclass(frozen=True, slots=True)
class _Asked:
    top_k: int
    targets: Array | None
    """(targets,) int64 token ids, each once; None for all tokens."""


class FillMaskTask:
    """Texts with holes to what fills them."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises LoadFailed for a tokenizer without a mask, InvalidConfiguration for bad options."""
        tokenizer = parts.tokenizer
        mask = tokenizer.special_tokens.get("mask")
        mask_id = tokenizer.special_id("mask")
        if mask is None or mask_id is None:
            raise LoadFailed(f"task '{parts.name}' needs a mask token; the tokenizer in this folder has none")
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (
            TensorConfig("token", "BYTES", (-1, -1)),
            TensorConfig("token_id", "INT64", (-1, -1)),
            TensorConfig("score", "FP32", (-1, -1)),
            TensorConfig("sequence", "BYTES", (-1, -1)),
            TensorConfig("text_index", "INT64", (-1,)),
        )
        self._tokenizer, self._mask, self._mask_id = tokenizer, mask, mask_id
        self._pad_id = tokenizer.special_id("pad")
        self._width = parts.width("logits")
        specs = [whole_number("top_k", 5), text_list("targets", None)]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise and find the masks. Raises InvalidRequest for a text without one within the model's maximum."""
        asked = self._asked(self._parameters.of(request.parameters))
        rows, cut = self._tokenizer.encode(read_texts(request, "text"))
        tokenized: list[TextTokens] = []
        for index, ids in enumerate(rows):
            places = np.flatnonzero(ids == self._mask_id)
            if not len(places):
                raise InvalidRequest(
                    f"text {index} has no {self._mask} among its first {self._tokenizer.max_tokens} tokens: write it "
                    "where a token is wanted",
                    element=index,
                )
            tokenized.append(TextTokens(ids, WANTED, rows=places))
        return Preparation(tokenized, asked, cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Find the best tokens for each mask."""
        asked: _Asked = preparation.state
        found = [self._best_tokens(result["logits"], asked) for result in results]
        ids = np.concatenate([pair[0] for pair in found])
        scores = np.concatenate([pair[1] for pair in found])
        counts = [len(pair[0]) for pair in found]
        words = self._tokenizer.decode([[number] for number in ids.ravel().tolist()])
        tensors = [
            Tensor("token", "BYTES", text_array(words, ids.shape)),
            Tensor("token_id", "INT64", ids),
            Tensor("score", "FP32", scores),
            Tensor("text_index", "INT64", np.repeat(np.arange(len(counts), dtype=np.int64), counts)),
        ]
        if not request.outputs or any(output.name == "sequence" for output in request.outputs):
            texts = [
                text
                for one, (tokens, _) in zip(preparation.texts, found, strict=True)
                for text in self._filled(one, tokens)
            ]
            tensors.insert(3, Tensor("sequence", "BYTES", text_array(texts, ids.shape)))
        return respond(request, preparation, tensors)

    def _best_tokens(self, logits: Array, asked: _Asked) -> tuple[Array, Array]:
        """Ids and scores of the best tokens, (masks, top_k) each."""
        scores = softmax(logits)
        if asked.targets is None:
            order, scores = best_of_many(scores, asked.top_k)
            return order.astype(np.int64), scores
        order, scores = best_of_many(scores[:, asked.targets], asked.top_k)
        return asked.targets[order], scores

    def _filled(self, tokenized: TextTokens, tokens: Array) -> list[str]:
        """The text with each token in its mask's place; other masks of the same text stay."""
        places = tokenized.rows if tokenized.rows is not None else np.empty(0, np.int64)
        rows = np.repeat(tokenized.input_ids[None], tokens.size, axis=0)
        rows[np.arange(tokens.size), np.repeat(places, tokens.shape[1])] = tokens.ravel()
        kept = [row[row != self._pad_id].tolist() for row in rows] if self._pad_id is not None else rows.tolist()
        return self._tokenizer.decode(kept, skip_special_tokens=len(places) == 1)

    def _asked(self, parameters: Mapping[str, Any]) -> _Asked:
        """What is wanted, with the targets as ids. Raises InvalidRequest for targets that are no tokens."""
        top_k: int = min(parameters["top_k"], self._width)
        targets = parameters["targets"]
        if targets is None:
            return _Asked(top_k, None)
        ids = sorted({self._target_id(target) for target in targets})
        if not ids:
            raise InvalidRequest("parameter 'targets' is empty: name at least one token")
        return _Asked(min(top_k, len(ids)), np.array(ids, dtype=np.int64))

    def _target_id(self, target: str) -> int:
        found = self._tokenizer.token_id(target)
        if found is None:
            found = self._tokenizer.first_token_id(target)
        if found is None:
            raise InvalidRequest(f"parameter 'targets': '{target}' has no tokens in this model's vocabulary")
        return found
