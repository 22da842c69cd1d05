"""Running a candidate as it will be served, one input alone or several together; what comes back is cut per input.

A sample is what one input gives a model: arrays by name, without a batch axis (`input_ids` (tokens,), `pixel_values`
(3, height, width), `input_values` (samples,)). `rows` are the token positions at which a language model's scores are
looked at; a vocabulary is wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from naiad.convert.opening import Graph, open_encoder
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import EncoderItem, EncoderSpec, ImagePixels, TextTokens
from naiad.core.errors import ModelFailed, NaiadError
from naiad.core.tensor import Array

Sample = Mapping[str, Array]
Answers = dict[str, Array]

ROWS = "rows"
MASK = "attention_mask"
BY_TOKEN = ("input_ids", MASK, "token_type_ids", "position_ids")
"""Inputs that are padded at the end to the longest."""

BY_PLACE = ("start_logits", "end_logits")
"""Outputs with one number for each token; those of other outputs that are by token have a width."""


class Runner(Protocol):
    """A model that answers samples."""

    def run(self, samples: Sequence[Sample]) -> list[Answers]:
        """Answers of each sample, run together. Raises ModelFailed."""
        ...


class EncoderRunner:
    """A graph of our own builder."""

    def __init__(self, graph: Path, spec: EncoderSpec) -> None:
        self._encoder = open_encoder(graph, spec, threads=0)
        self._spec = spec
        self._outputs = tuple(output.name for output in spec.outputs)

    def run(self, samples: Sequence[Sample]) -> list[Answers]:
        """See Runner."""
        answers: list[Answers] = []
        for result in self._encoder.execute(Batch([self._item(sample) for sample in samples])):
            if isinstance(result, NaiadError):
                raise result
            answers.append(_spans(result) if self._spec.head == "question-answering" else dict(result))
        return answers

    def _item(self, sample: Sample) -> EncoderItem:
        if self._spec.layout == "images":
            return ImagePixels(sample["pixel_values"], self._outputs, self._spec.max_tokens)
        return TextTokens(sample["input_ids"], self._outputs, sample.get("token_type_ids"), sample.get(ROWS))


def _spans(result: Mapping[str, Array]) -> Answers:
    """The two columns of an answer's logits, under the names that other exports give them."""
    return {"start_logits": result["logits"][:, 0], "end_logits": result["logits"][:, 1]}


class GraphRunner:
    """An exported graph: samples are padded to the longest and stacked."""

    def __init__(self, graph: Path, *, pad_token_id: int = 0) -> None:
        self._graph = Graph(graph)
        self._pad_token_id = pad_token_id

    def run(self, samples: Sequence[Sample]) -> list[Answers]:
        """See Runner."""
        types = self._graph.types.items()
        feeds = {name: stack(name, samples, self._pad_token_id).astype(kind) for name, kind in types}
        try:
            named = self._graph.run(feeds)
        except ModelFailed as error:
            shapes = ", ".join(f"{name} {list(feed.shape)}" for name, feed in feeds.items())
            raise ModelFailed(f"{shapes}: {error.message}") from error
        return [
            {name: cut(name, array[number], sample) for name, array in named.items()}
            for number, sample in enumerate(samples)
        ]


def stack(name: str, samples: Sequence[Sample], pad_token_id: int) -> Array:
    """One input of a batch: what is by token padded at the end to the longest, the rest as it is."""
    if name not in BY_TOKEN:
        return np.stack([sample[name] for sample in samples])
    longest = max(map(tokens, samples))
    filled = np.full((len(samples), longest), pad_token_id if name == "input_ids" else 0, np.int64)
    for row, sample in zip(filled, samples, strict=True):
        values = np.ones(tokens(sample), np.int64) if name == MASK else sample.get(name)
        if values is not None:
            row[: len(values)] = values
    return filled


def tokens(sample: Sample) -> int:
    """How many tokens a sample has; 0 where it is no text."""
    return len(sample["input_ids"]) if "input_ids" in sample else 0


def cut(name: str, array: Array, sample: Sample) -> Array:
    """One input's part of an output: without what stands at padding, and of a language model the rows looked at."""
    if "input_ids" not in sample or (array.ndim < 2 and name not in BY_PLACE):
        return array
    inside = array[: tokens(sample)]
    return inside[sample[ROWS]] if ROWS in sample else inside
