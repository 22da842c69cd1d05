"""Logits over the vocabulary, at chosen tokens; how a family makes them is its `LanguageHead`.

The vocabulary's bias is zero until it is trained: a checkpoint without one has none, in transformers as here.
"""

from __future__ import annotations

import numpy as np

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.core.encoding.encoder import EncoderOutput
from naiad.repository.checkpoint import Checkpoint


def masked_lm(body: Body, inputs: Inputs, _checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`logits` for each row asked for."""
    vocabulary = body.sizes.vocabulary
    logits = vocabulary_logits(body, body.hidden_states(inputs, at=inputs.rows))
    body.graph.output("logits", logits, ("rows", vocabulary))
    return (EncoderOutput("logits", "row", vocabulary),)


def vocabulary_logits(body: Body, x: str) -> str:
    """(rows, vocabulary) from hidden states (rows, hidden)."""
    graph, sizes, weights, language = body.graph, body.sizes, body.weights, body.language
    width = body.config.integer(language.width) if language.width else sizes.embedding
    if language.dense:
        x = body.exact_dense(x, language.dense, width, sizes.hidden, bias=language.bias)
        x = body.norm(body.activation(x, language.activation or sizes.activation), language.norm, width)
    terms = [x, _vocabulary(body, width)]
    bias = next((name for name in language.biases if weights.find(name)), None) if language.decoder_bias else None
    if bias is not None:
        terms.append(graph.weight("vocabulary.bias", lambda: weights.get(bias, sizes.vocabulary)))
    return graph.op("Gemm", *terms, transB=1)


def _vocabulary(body: Body, width: int) -> str:
    """The decoder's matrix; tied to the word embeddings where the checkpoint has none, or the same."""
    if body.language.further_columns:
        return _widened(body, width)
    name, shape = body.language.decoder, (body.sizes.vocabulary, width)
    if body.weights.find(name) is not None:
        own = body.weights.get(name, *shape)
        if width != body.sizes.embedding or not np.array_equal(own, body.weights.body(body.family.words, *shape)):
            return body.graph.weight(name, lambda: own)
    return body.table(body.family.words, body.sizes.vocabulary)


def _widened(body: Body, width: int) -> str:
    """The word embeddings and what the head adds to them, side by side."""
    sizes, name = body.sizes, body.language.further_columns
    words = body.weights.body(body.family.words, sizes.vocabulary, sizes.embedding)
    further = body.weights.get(name, width - sizes.embedding, sizes.vocabulary)
    return body.graph.weight(name, lambda: np.concatenate([words, further.T], axis=1))
