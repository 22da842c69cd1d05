"""From a checkpoint folder to the graph of its image encoder on disk: the order of steps, and the two heads."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.encoder.bodies.parts.dense import Dense, Float32Dense
from naiad.convert.encoder.graph import GraphBuilder
from naiad.convert.encoder.quantize import Int8Dense, ObservingDense, has_fast_signed_products
from naiad.convert.encoder.weights import Weights, weight_files
from naiad.convert.opening import Graph
from naiad.convert.vision.families import ImageFamily, find_image_family
from naiad.convert.vision.images import PIXELS, ImageGraph
from naiad.convert.vision.layers import Parts
from naiad.convert.vision.pooling import CLASSIFIERS, POOLINGS
from naiad.convert.vision.sizes import read_image_sizes
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.tensor import Array

CLASSIFICATION, EMBEDDING = "image-classification", "image-embedding"

_DISTILLED = "ForImageClassificationWithTeacher"
"""End of the one class whose answer is the mean of two classifiers."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built; see convert_image_checkpoint."""

    folder: Path
    config: Mapping[str, Any]
    head: str
    image: tuple[int, int] | None


def build_image_encoder(order: Order, quantize: str, path: Path) -> EncoderSpec:
    """Write a graph to `path`, and its weights beside it with `.data` added."""
    if quantize == "none":
        return _write(order, Float32Dense(), path)
    return _write(order, Int8Dense(_observe(order), signed=has_fast_signed_products()), path)


def _observe(order: Order) -> dict[str, Array]:
    """How far each channel of each quantised product's input reaches, by running the float32 graph."""
    dense = ObservingDense()
    with tempfile.TemporaryDirectory(prefix="naiad-") as folder:
        graph = Path(folder) / "observed.onnx"
        spec = _write(order, dense, graph)
        images = _random_images((spec.channels, spec.height, spec.width))
        reaches = Graph(graph).run({PIXELS: images}, list(dense.peaks))
    return {module: reaches[output] for output, module in dense.peaks.items()}


def _random_images(shape: tuple[int, int, int]) -> Array:
    """(images, channels, height, width): noise, and noise in patches of several sizes; the same ones every time."""
    random = np.random.default_rng(0)
    images = []
    for grain in (1, 4, 16, 64):
        small = random.standard_normal((shape[0], -(-shape[1] // grain), -(-shape[2] // grain)))
        large = small.repeat(grain, axis=1).repeat(grain, axis=2)
        images.append(large[:, : shape[1], : shape[2]])
    return np.stack(images).astype(np.float32)


def _write(order: Order, dense: Dense, path: Path) -> EncoderSpec:
    config, head = order.config, order.head
    family = find_image_family(config)
    sizes = read_image_sizes(config, family, order.image)
    graph = GraphBuilder(f"{config['model_type']}-{head}", path.with_name(path.name + ".data"))
    try:
        with Weights(weight_files(order.folder)) as weights:
            weights.find_body(family.base, f"{family.patches}.weight")
            made = ImageGraph(Parts(graph, weights, sizes.layer, dense), family, sizes, config)
            outputs = _HEADS[head](made, family)
        graph.save(path)
    finally:
        graph.close()
    return EncoderSpec(
        architecture=str(config["model_type"]),
        head=head,
        outputs=outputs,
        max_tokens=sizes.length,
        layout="images",
        channels=sizes.channels,
        height=sizes.image[0],
        width=sizes.image[1],
    )


def _classification(image: ImageGraph, family: ImageFamily) -> tuple[EncoderOutput, ...]:
    architectures = image.config.get("architectures") or [""]
    if str(architectures[0]).endswith(_DISTILLED):
        logits, labels = _distilled(image, image.states(leading=2))
    else:
        states = image.states(leading=1 if family.classifier == "first" else 0)
        pooled, width = CLASSIFIERS[family.classifier](image, states)
        logits, labels = _project(image, pooled, "classifier", width)
    image.graph.output("logits", logits, ("images", labels))
    return (EncoderOutput("logits", "item", labels),)


def _distilled(image: ImageGraph, states: str) -> tuple[str, int]:
    """DeiT's mean of what the class token and the distillation token say."""
    graph, hidden = image.graph, image.sizes.layer.hidden
    one, labels = _project(image, image.first(states, 0), "cls_classifier", hidden)
    other, _ = _project(image, image.first(states, 1), "distillation_classifier", hidden)
    return graph.op("Mul", graph.op("Add", one, other), graph.number(0.5)), labels


def _project(image: ImageGraph, x: str, module: str, width: int) -> tuple[str, int]:
    weight = f"{module}.weight"
    if image.weights.find(weight) is None:
        raise LoadFailed(
            f"the weight {weight} is missing: this checkpoint has no classifier; set the task to "
            "image-feature-extraction",
            weight=weight,
        )
    labels = image.weights.shape(weight)[0]
    named = image.config.get("id2label")
    if isinstance(named, dict) and named and len(named) != labels:
        raise LoadFailed(
            f"config.json names {len(named)} labels in id2label, but the weight {weight} has {labels} rows"
        )
    return image.parts.dense(x, module, labels, width), labels


def _embedding(image: ImageGraph, family: ImageFamily) -> tuple[EncoderOutput, ...]:
    states, hidden = image.states(), image.sizes.layer.hidden
    pooled, width = POOLINGS[family.embedding](image, states)
    image.graph.output("embedding", pooled, ("images", width))
    image.graph.output("last_hidden_state", states, ("images", image.sizes.length, hidden))
    return EncoderOutput("embedding", "item", width), EncoderOutput("last_hidden_state", "token", hidden)


_HEADS = {CLASSIFICATION: _classification, EMBEDDING: _embedding}


def check_head(head: str) -> None:
    """Raise Unsupported for a head that image encoders do not have."""
    if head not in _HEADS:
        raise Unsupported(f"image models have no head '{head}'; they have: {', '.join(_HEADS)}")
