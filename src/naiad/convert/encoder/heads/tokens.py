"""Logits for every token: classes of tokens, and where an answer begins and ends."""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.labels import count_labels
from naiad.convert.encoder.heads.transform import transform
from naiad.core.encoding.encoder import EncoderOutput
from naiad.repository.checkpoint import Checkpoint


def _logits(body: Body, inputs: Inputs, module: str, labels: int) -> tuple[EncoderOutput, ...]:
    x = body.hidden_states(inputs)
    if body.family.tokens.transformed:
        x = transform(body, x)
    logits = body.exact_dense(x, module, labels, body.sizes.hidden)
    body.graph.output("logits", logits, ("tokens", labels))
    return (EncoderOutput("logits", "token", labels),)


def token_classification(body: Body, inputs: Inputs, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`logits` over the labels."""
    module = body.family.tokens.labels
    return _logits(body, inputs, module, count_labels(body, module, checkpoint.config))


def question_answering(body: Body, inputs: Inputs, _checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`logits` with two columns: begin and end."""
    return _logits(body, inputs, body.family.tokens.answers, 2)
