"""Logits for every token: classes of tokens, and where an answer begins and ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.encoder.heads.labels import count_labels
from naiad.convert.encoder.layers import BodyBuilder, Inputs
from naiad.core.encoder import EncoderOutput


def _logits(builder: BodyBuilder, inputs: Inputs, module: str, labels: int) -> tuple[EncoderOutput, ...]:
    logits = builder.exact_dense(builder.body(inputs), module, labels, builder.sizes.hidden)
    builder.graph.output("logits", logits, ("tokens", labels))
    return (EncoderOutput("logits", "token", labels),)


def token_classification(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    """`logits` over the labels."""
    return _logits(builder, inputs, "classifier", count_labels(builder, "classifier", config))


def question_answering(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, _config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    """`logits` with two columns: begin and end."""
    return _logits(builder, inputs, "qa_outputs", 2)
