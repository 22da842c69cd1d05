"""Logits for a text; how a family makes them is its `Classifier`."""

from __future__ import annotations

from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.heads.labels import count_labels
from naiad.convert.encoder.heads.pooling import Tokens, pool
from naiad.convert.encoder.heads.transform import transform
from naiad.convert.encoder.sentence import refuse_modules
from naiad.core.encoding.encoder import EncoderOutput
from naiad.repository.checkpoint import Checkpoint


def sequence_classification(body: Body, inputs: Inputs, checkpoint: Checkpoint) -> tuple[EncoderOutput, ...]:
    """`logits` for each text. Raises Unsupported for a CrossEncoder that has modules behind the classifier."""
    refuse_modules(checkpoint)
    graph, hidden, classifier = body.graph, body.sizes.hidden, body.classifier
    labels = count_labels(body, classifier.projection, checkpoint.config)
    match classifier.pooling:
        case "cls":
            x = transform(body, body.hidden_states(inputs, at=_places(body, inputs)))
        case "late":
            states = transform(body, body.hidden_states(inputs))
            x, _ = pool(Tokens(graph, inputs, states, hidden), ("mean",))
        case pooling:
            x = transform(body, pool(Tokens(graph, inputs, body.hidden_states(inputs), hidden), (pooling,))[0])
    logits = body.exact_dense(x, classifier.projection, labels, hidden)
    graph.output("logits", logits, ("texts", labels))
    return (EncoderOutput("logits", "item", labels),)


def _places(body: Body, inputs: Inputs) -> str:
    """(n,) where each text's state is read: at its first token, or at the last of one kind."""
    graph, token = body.graph, body.summary_token
    if token is None:
        return inputs.starts
    is_read = graph.op("Equal", inputs.ids, graph.integer(token))
    places = graph.op("Where", is_read, graph.numbers(inputs.ids), graph.integer(0))
    return graph.op("ScatterElements", inputs.starts, inputs.segments, places, axis=0, reduction="max")
