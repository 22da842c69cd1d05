"""Logits for a sequence; how a family makes them is its `Classifier`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.encoder.heads.labels import count_labels
from naiad.convert.encoder.layers import BodyBuilder, Inputs
from naiad.core.encoder import EncoderOutput


def sequence_classification(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    """`logits` for each sequence."""
    graph, hidden, classifier = builder.graph, builder.sizes.hidden, builder.family.classifier
    labels = count_labels(builder, classifier.projection, config)
    first = graph.op("Gather", builder.body(inputs), inputs.starts, axis=0)
    dense = (builder.weights.prefix if classifier.in_body else "") + classifier.dense
    x = builder.activation(builder.exact_dense(first, dense, hidden, hidden), classifier.activation)
    logits = builder.exact_dense(x, classifier.projection, labels, hidden)
    graph.output("logits", logits, ("sequences", labels))
    return (EncoderOutput("logits", "sequence", labels),)
