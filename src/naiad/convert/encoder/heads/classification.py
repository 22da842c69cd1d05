"""Logits for a sequence; how a family makes them is its `Classifier`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.labels import count_labels
from naiad.core.encoder import EncoderOutput


def sequence_classification(
    body: Body, inputs: Inputs, _folder: Path, config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    """`logits` for each sequence."""
    graph, hidden, classifier = body.graph, body.sizes.hidden, body.classifier
    labels = count_labels(body, classifier.projection, config)
    first = graph.op("Gather", body.hidden_states(inputs), inputs.starts, axis=0)
    dense = (body.weights.prefix if classifier.in_body else "") + classifier.dense
    x = body.activation(body.exact_dense(first, dense, hidden, hidden), classifier.activation)
    logits = body.exact_dense(x, classifier.projection, labels, hidden)
    graph.output("logits", logits, ("sequences", labels))
    return (EncoderOutput("logits", "sequence", labels),)
