"""Logits over the vocabulary, at chosen tokens; how a family makes them is its `LanguageHead`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.encoder.layers import WORDS, BodyBuilder, Inputs
from naiad.core.encoder import EncoderOutput


def masked_lm(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, _config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    """`logits` for each row asked for."""
    graph, sizes, weights, language = builder.graph, builder.sizes, builder.weights, builder.family.language
    width = sizes.embedding
    chosen = graph.op("Gather", builder.body(inputs), inputs.rows, axis=0)
    x = builder.exact_dense(chosen, language.dense, width, sizes.hidden)
    x = builder.norm(builder.activation(x, language.activation or sizes.activation), language.norm, width)
    bias_name = next((name for name in language.biases if weights.find(name)), language.biases[0])
    bias = graph.weight("vocabulary.bias", lambda: weights.get(bias_name, sizes.vocabulary))
    logits = graph.op("Gemm", x, _vocabulary(builder), bias, transB=1)
    graph.output("logits", logits, ("rows", sizes.vocabulary))
    return (EncoderOutput("logits", "row", sizes.vocabulary),)


def _vocabulary(builder: BodyBuilder) -> str:
    """The decoder's matrix; tied to the word embeddings where the checkpoint has none, or the same."""
    name, shape = builder.family.language.decoder, (builder.sizes.vocabulary, builder.sizes.embedding)
    if builder.weights.find(name) is not None:
        own = builder.weights.get(name, *shape)
        if not np.array_equal(own, builder.weights.body(WORDS, *shape)):
            return builder.graph.weight(name, lambda: own)
    return builder.table(WORDS, builder.sizes.vocabulary)
