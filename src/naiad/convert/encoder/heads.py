"""What stands on top of the body: an embedding, class logits, token logits, span logits, vocabulary logits.

Each head adds its outputs to the graph and says what they are. Not here: the body (`layers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.encoder.layers import WORDS, BodyBuilder, Inputs
from naiad.convert.encoder.sentence import DenseModule, SentenceModules, has_pooling, read_sentence_modules
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.core.encoder import EncoderOutput
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported

_SUFFIXES = {
    "ForSequenceClassification": "sequence-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "masked-lm",
    "Model": "embedding",
    "ForPreTraining": "embedding",
    "LMHeadModel": "embedding",
}
"""Ends of the class names in config.json's `architectures`. A pre-training checkpoint is served for its embeddings."""

EPSILON = 1e-12
"""Smallest norm an embedding is divided by; torch.nn.functional.normalize has the same."""


def infer_head(config: Mapping[str, Any], folder: Path) -> str:
    """The head a checkpoint is made for. Raises Unsupported naming the class that has none."""
    if has_pooling(folder):
        return "embedding"
    classes = config.get("architectures") or ["Model"]
    for suffix, head in _SUFFIXES.items():
        if str(classes[0]).endswith(suffix):
            return head
    raise Unsupported(
        f"config.json: {classes[0]} has a head that Naiad does not convert; known heads: {', '.join(HEADS)}. "
        "Set one of these, or export the model with optimum-cli to ONNX and serve that folder",
        architectures=list(classes),
    )


def add_head(builder: BodyBuilder, head: str, folder: Path, config: Mapping[str, Any]) -> tuple[EncoderOutput, ...]:
    """Build body and head; gives the outputs that the graph has. Raises LoadFailed for weights that do not fit."""
    if head not in HEADS:
        raise InvalidConfiguration(f"the head {head!r} is not known; known: {', '.join(HEADS)}", head=head)
    inputs = builder.declare_inputs(rows=head == "masked-lm")
    return HEADS[head](builder, inputs, folder, config)


def _embedding(
    builder: BodyBuilder, inputs: Inputs, folder: Path, _config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    graph, hidden = builder.graph, builder.sizes.hidden
    modules = read_sentence_modules(folder)
    x = builder.body(inputs)
    graph.output("last_hidden_state", x, ("tokens", hidden))
    pooled, width = _pool(builder, inputs, x, modules)
    for number, module in enumerate(modules.dense):
        pooled, width = _dense_module(builder, pooled, width, module, f"sentence.{number}")
    if modules.normalize:
        norm = graph.op("ReduceL2", pooled, graph.ints(1), keepdims=1)
        pooled = graph.op("Div", pooled, graph.op("Max", norm, graph.number(EPSILON)))
    graph.output("embedding", pooled, ("sequences", width))
    return EncoderOutput("embedding", "sequence", width), EncoderOutput("last_hidden_state", "token", hidden)


def _pool(builder: BodyBuilder, inputs: Inputs, x: str, modules: SentenceModules) -> tuple[str, int]:
    parts = [_POOLINGS[pooling](builder, inputs, x) for pooling in modules.poolings]
    width = builder.sizes.hidden * len(parts)
    return (parts[0] if len(parts) == 1 else builder.graph.op("Concat", *parts, axis=1)), width


def _dense_module(builder: BodyBuilder, x: str, width: int, module: DenseModule, name: str) -> tuple[str, int]:
    graph = builder.graph
    if module.inputs != width:
        raise LoadFailed(f"{module.folder}: in_features is {module.inputs}, but the pooling before it gives {width}")
    with Weights(weight_files(module.folder)) as weights:
        matrix = weights.get("linear.weight", module.outputs, module.inputs)
        terms = [x, graph.weight(f"{name}.weight", lambda: matrix)]
        if module.has_bias:
            bias = weights.get("linear.bias", module.outputs)
            terms.append(graph.weight(f"{name}.bias", lambda: bias))
    y = graph.op("Gemm", *terms, transB=1)
    return (builder.activation(y, module.activation) if module.activation else y), module.outputs


def _membership(builder: BodyBuilder, inputs: Inputs) -> str:
    """(n, T) float: 1 where a token belongs to a sequence; pooling is a product with this matrix."""
    graph = builder.graph

    def make() -> str:
        count = graph.op("Squeeze", graph.op("Shape", inputs.starts), graph.ints(0))
        numbers = graph.op("Range", graph.integer(0), count, graph.integer(1))
        down = graph.op("Unsqueeze", numbers, graph.ints(1))
        same = graph.op("Equal", down, graph.op("Unsqueeze", inputs.segments, graph.ints(0)))
        return graph.op("Cast", same, to=graph.FLOAT)

    return graph.once("membership", make)


def _weighted(builder: BodyBuilder, weights: str, x: str, *, root: bool = False) -> str:
    """Sum of x's rows by the weights (n, T), divided by the weights' sum or its square root."""
    graph = builder.graph
    total = graph.op("ReduceSum", weights, graph.ints(1), keepdims=1)
    return graph.op("Div", graph.op("MatMul", weights, x), graph.op("Sqrt", total) if root else total)


def _mean(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    return _weighted(builder, _membership(builder, inputs), x)


def _mean_sqrt_len(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    return _weighted(builder, _membership(builder, inputs), x, root=True)


def _weighted_mean(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    """Weights 1, 2, 3 … along each sequence."""
    graph = builder.graph
    begins = graph.op("Gather", inputs.starts, inputs.segments)
    count = graph.op("Squeeze", graph.op("Shape", inputs.segments), graph.ints(0))
    place = graph.op("Range", graph.integer(1), graph.op("Add", count, graph.integer(1)), graph.integer(1))
    weights = graph.op("Cast", graph.op("Sub", place, begins), to=graph.FLOAT)
    return _weighted(builder, graph.op("Mul", _membership(builder, inputs), weights), x)


def _cls(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    return builder.graph.op("Gather", x, inputs.starts, axis=0)


def _last_token(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    """The token before the next sequence begins."""
    graph = builder.graph
    others = graph.op("Slice", inputs.starts, graph.ints(1), graph.ints(2**62), graph.ints(0))
    ends = graph.op("Concat", others, graph.op("Shape", inputs.segments), axis=0)
    return graph.op("Gather", x, graph.op("Sub", ends, graph.ints(1)), axis=0)


def _max(builder: BodyBuilder, inputs: Inputs, x: str) -> str:
    """Largest value of every channel: scattered into one row for each sequence."""
    graph, hidden = builder.graph, builder.sizes.hidden
    shape = graph.op("Concat", graph.op("Shape", inputs.starts), graph.ints(hidden), axis=0)
    lowest = graph.op("Expand", graph.number(float("-inf")), shape)
    rows = graph.op("Expand", graph.op("Unsqueeze", inputs.segments, graph.ints(1)), graph.op("Shape", x))
    return graph.op("ScatterElements", lowest, rows, x, axis=0, reduction="max")


_POOLINGS: dict[str, Callable[[BodyBuilder, Inputs, str], str]] = {
    "mean": _mean,
    "cls": _cls,
    "max": _max,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}


def _sequence_classification(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    graph, hidden, classifier = builder.graph, builder.sizes.hidden, builder.family.classifier
    labels = _labels(builder, classifier.projection, config)
    first = graph.op("Gather", builder.body(inputs), inputs.starts, axis=0)
    dense = (builder.weights.prefix if classifier.in_body else "") + classifier.dense
    x = builder.activation(builder.exact_dense(first, dense, hidden, hidden), classifier.activation)
    logits = builder.exact_dense(x, classifier.projection, labels, hidden)
    graph.output("logits", logits, ("sequences", labels))
    return (EncoderOutput("logits", "sequence", labels),)


def _token_logits(builder: BodyBuilder, inputs: Inputs, module: str, labels: int) -> tuple[EncoderOutput, ...]:
    logits = builder.exact_dense(builder.body(inputs), module, labels, builder.sizes.hidden)
    builder.graph.output("logits", logits, ("tokens", labels))
    return (EncoderOutput("logits", "token", labels),)


def _token_classification(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    return _token_logits(builder, inputs, "classifier", _labels(builder, "classifier", config))


def _question_answering(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, _config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
    return _token_logits(builder, inputs, "qa_outputs", 2)


def _masked_lm(
    builder: BodyBuilder, inputs: Inputs, _folder: Path, _config: Mapping[str, Any]
) -> tuple[EncoderOutput, ...]:
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


def _labels(builder: BodyBuilder, module: str, config: Mapping[str, Any]) -> int:
    """How many labels the weights have; config.json must not say otherwise."""
    shape = builder.weights.shape(f"{module}.weight")
    named = config.get("id2label")
    if isinstance(named, dict) and named and len(named) != shape[0]:
        raise LoadFailed(
            f"config.json names {len(named)} labels in id2label, but the weight {module}.weight has {shape[0]} rows"
        )
    return shape[0]


HEADS: dict[str, Callable[[BodyBuilder, Inputs, Path, Mapping[str, Any]], tuple[EncoderOutput, ...]]] = {
    "embedding": _embedding,
    "sequence-classification": _sequence_classification,
    "token-classification": _token_classification,
    "question-answering": _question_answering,
    "masked-lm": _masked_lm,
}
