"""token-classification: the named entities in texts.

    inputs   text       BYTES [n]
    outputs  entities   BYTES [n]   for each text a JSON array of entities, as transformers' pipeline returns them:
                                    {entity, score, index, word, start, end} for each token without aggregation, else
                                    {entity_group, score, word, start, end} for each group; start and end in characters

    parameters and options
        aggregation_strategy   none, simple, first, average or max; default none
        ignore_labels          labels to leave out, separated by commas or as a JSON array; default O
        stride                 with a strategy: read long texts in pieces that share this many tokens, instead of
                               cutting them

Each text has one JSON string, because the number of entities differs from text to text. How tokens become groups is in
`grouping.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naiad.core.contracts import Preparation
from naiad.core.encoding.encoder import EncoderResult, TextTokens
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import TensorConfig
from naiad.core.tensor import Array, Tensor
from naiad.tasks.parameters import Parameters, one_of, text_list, whole_number
from naiad.tasks.parts import TaskParts
from naiad.tasks.response import respond
from naiad.tasks.scores import softmax
from naiad.tasks.strings import read_texts, text_array
from naiad.tasks.text.grouping import Entity, TaggedToken, group, merge_words, without_overlaps
from naiad.tasks.tokenizing.rows import TokenizedText

WANTED = ("logits",)


@dataclass(frozen=True, slots=True)
class _Asked:
    texts: list[str]
    pieces: list[list[TokenizedText]]
    """One list for each text."""
    parameters: Mapping[str, Any]


class EntitiesTask:
    """Texts to the entities in them."""

    def __init__(self, parts: TaskParts) -> None:
        """Make the task. Raises InvalidConfiguration for bad options, LoadFailed for a bad config.json."""
        self.name = parts.name
        self.max_tokens = parts.tokenizer.max_tokens
        self.inputs: tuple[TensorConfig, ...] = (TensorConfig("text", "BYTES", (-1,)),)
        self.outputs: tuple[TensorConfig, ...] = (TensorConfig("entities", "BYTES", (-1,)),)
        self._tokenizer = parts.tokenizer
        self._unknown_id = parts.tokenizer.special_id("unk")
        self._labels = parts.checkpoint.labels(parts.width("logits"))
        self._gives_shares = parts.spec.gives_shares
        specs = [
            one_of("aggregation_strategy", "none", ("none", "simple", "first", "average", "max")),
            text_list("ignore_labels", ("O",)),
            whole_number("stride", None, minimum=0),
        ]
        self._parameters = Parameters(parts.name, specs, parts.options)

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest."""
        parameters = self._parameters.of(request.parameters)
        texts = read_texts(request, "text")
        stride = parameters["stride"]
        if stride is None:
            pieces = [[row] for row in self._tokenizer.encode_with_offsets(texts)]
        elif parameters["aggregation_strategy"] == "none":
            raise InvalidRequest("parameter 'stride' needs an aggregation_strategy other than none")
        else:
            pieces = [self._tokenizer.encode_pieces(text, stride) for text in texts]
        tokenized = [TextTokens(piece.ids, WANTED) for row in pieces for piece in row]
        cut = sum(row[0].is_cut for row in pieces)
        return Preparation(tokenized, _Asked(texts, pieces, parameters), cut)

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Find the entities of each text."""
        asked: _Asked = preparation.state
        remaining = iter(results)
        documents: list[str] = []
        for text, pieces in zip(asked.texts, asked.pieces, strict=True):
            found = [
                entity
                for piece in pieces
                for entity in self._entities(text, piece, next(remaining)["logits"], asked.parameters)
            ]
            found = without_overlaps(found) if len(pieces) > 1 else found
            documents.append(json.dumps(found, ensure_ascii=False))
        return respond(request, preparation, [Tensor("entities", "BYTES", text_array(documents))])

    def _entities(self, text: str, piece: TokenizedText, logits: Array, parameters: Mapping[str, Any]) -> list[Entity]:
        """Entities of one piece of a text, without the labels to be ignored."""
        strategy, ignored = parameters["aggregation_strategy"], parameters["ignore_labels"]
        tokens = self._tagged(text, piece, logits if self._gives_shares else softmax(logits))
        if strategy == "none":
            return [
                {
                    "entity": token.label,
                    "score": token.score,
                    "index": token.index,
                    "word": token.word,
                    "start": token.start,
                    "end": token.end,
                }
                for token in tokens
                if token.label not in ignored
            ]
        if strategy != "simple":
            tokens = merge_words(tokens, strategy, self._labels, self._tokenizer.join)
        return [entity for entity in group(tokens, self._tokenizer.join) if entity["entity_group"] not in ignored]

    def _tagged(self, text: str, piece: TokenizedText, scores: Array) -> list[TaggedToken]:
        """The text's own tokens with their best labels."""
        winners = scores.argmax(axis=-1)
        columns = zip(piece.ids.tolist(), piece.offsets.tolist(), winners.tolist(), scores, strict=True)
        tokens: list[TaggedToken] = []
        for index, (number, (start, end), winner, row) in enumerate(columns):
            if piece.is_special[index]:
                continue
            word = self._tokenizer.token(number)
            written = text[start:end]
            if number == self._unknown_id:
                word, continues = written, False
            elif self._tokenizer.marks_subwords:
                continues = len(word) != len(written)
            else:  # nothing in the token tells, so the space before it must
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            label = self._labels[winner]
            tokens.append(TaggedToken(word, start, end, label, float(row[winner]), index, row, continues))
        return tokens
