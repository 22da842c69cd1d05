"""The sparse head (SPLADE): one weight for each word of the vocabulary, from the masked-language logits of all tokens.

log(1 + relu(logits)), and then the largest or the sum over a text's tokens. Most weights are zero; the task gives
the others. Not here: reading SpladePooling's options (`splade.py`).
"""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.heads.language import vocabulary_logits
from naiad.convert.encoder.heads.pooling import Tokens, ends, membership
from naiad.convert.encoder.splade import read_splade
from naiad.core.encoding.encoder import EncoderOutput
from naiad.repository.checkpoint import Checkpoint


def sparse_embedding(body: Body, inputs: Inputs, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`embedding` for each text: (vocabulary,), none below zero."""
    splade = read_splade(checkpoint)
    graph, vocabulary = body.graph, body.sizes.vocabulary
    logits = vocabulary_logits(body, body.hidden_states(inputs))
    tokens = Tokens(graph, inputs, logits, vocabulary)
    if splade.strategy == "max":  # the curve only rises, so it can wait until there is one row a text
        weights = _dampened(graph, _largest(tokens), splade.dampings)
    else:
        weights = graph.op("MatMul", membership(tokens), _dampened(graph, logits, splade.dampings))
    graph.output("embedding", weights, ("texts", vocabulary))
    return (EncoderOutput("embedding", "item", vocabulary),)


def _dampened(graph: GraphBuilder, x: str, times: int) -> str:
    """log(1 + relu(x)); the logarithm more than once."""
    x = graph.op("Relu", x)
    for _ in range(times):
        x = graph.op("Log", graph.op("Add", x, graph.number(1.0)))
    return x


def _largest(tokens: Tokens) -> str:
    """(n, vocabulary): largest logit over each text's tokens.

    One text after the other: scattering so many numbers takes ten times as long in ONNX Runtime, or, by rows, is
    wrong with several threads.
    """
    graph, starts = tokens.graph, tokens.inputs.starts
    last = ends(tokens)

    def one(number: str) -> str:
        at = graph.op("Unsqueeze", number, graph.ints(0))
        begin, end = graph.op("Gather", starts, at), graph.op("Gather", last, at)
        rows = graph.op("Slice", tokens.states, begin, end, graph.ints(0))
        return graph.op("ReduceMax", rows, graph.ints(0), keepdims=0)

    count = graph.op("Squeeze", graph.op("Shape", starts), graph.ints(0))
    return graph.each(count, one, (tokens.width,))
