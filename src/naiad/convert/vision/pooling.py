"""What is made of an image's states: one vector, and what a classifier sees. Two tables, a row for each way.

`embedding` is the family's own `pooler_output`, and for CLIP with its projection `image_embeds`, as transformers gives
them; where a checkpoint has no weights for a pooler, it is the first token's state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from naiad.convert.vision.images import ImageGraph
from naiad.core.errors import Unsupported

Pooled = tuple[str, int]
"""A value of shape (images, width), and the width."""


def _first(image: ImageGraph, states: str) -> Pooled:
    return image.first(states), image.sizes.layer.hidden


def _pooler(image: ImageGraph, states: str) -> Pooled:
    """ViT and DeiT: dense and activation on the first token, where the checkpoint has been trained with them."""
    module, options = f"{image.weights.prefix}pooler.dense", image.options
    if image.weights.find(f"{module}.weight") is None:
        return _first(image, states)
    hidden = image.sizes.layer.hidden
    width = options.integer("pooler_output_size") if options.value("pooler_output_size") else hidden
    kind = options.activation("pooler_act") if options.value("pooler_act") else "tanh"
    return image.parts.activation(image.parts.dense(image.first(states), module, width, hidden), kind), width


def _beit(image: ImageGraph, states: str) -> Pooled:
    if not image.options.flag("use_mean_pooling", default=True):
        return _first(image, states)
    normed = image.parts.norm(image.mean_of_patches(states), f"{image.weights.prefix}pooler.layernorm")
    return normed, image.sizes.layer.hidden


def _clip(image: ImageGraph, states: str) -> Pooled:
    pooled = image.parts.norm(image.first(states), f"{image.weights.prefix}post_layernorm")
    module, hidden = "visual_projection", image.sizes.layer.hidden
    if image.weights.find(f"{module}.weight") is None:
        return pooled, hidden
    width = image.weights.shape(f"{module}.weight")[0]
    return image.parts.dense(pooled, module, width, hidden), width


def _siglip(image: ImageGraph, states: str) -> Pooled:
    """One learnt query attends to all patches, then a feed-forward layer."""
    parts, sizes, head = image.parts, image.sizes.layer, f"{image.weights.prefix}head."
    if not image.options.flag("vision_use_head", default=True):
        raise Unsupported("config.json: vision_use_head is false, so this model gives no vector for an image")
    graph, hidden = image.graph, sizes.hidden
    weight = image.weights.get(f"{head}attention.in_proj_weight", 3 * hidden, hidden)
    bias = image.weights.get(f"{head}attention.in_proj_bias", 3 * hidden)
    probe = image.weights.get(f"{head}probe", 1, 1, hidden).reshape(hidden)
    query = (weight[:hidden] @ probe + bias[:hidden]) * np.float32(sizes.head_size**-0.5)
    rows = graph.op("Reshape", states, graph.ints(-1, hidden))
    key, value = (
        graph.op(
            "Reshape",
            graph.op(
                "Gemm",
                rows,
                parts.constant(f"{head}{name}.weight", weight[part]),
                parts.constant(f"{head}{name}.bias", bias[part]),
                transB=1,
            ),
            graph.ints(-1, image.sizes.length, sizes.heads, sizes.head_size),
        )
        for name, part in (("key", slice(hidden, 2 * hidden)), ("value", slice(2 * hidden, None)))
    )
    asked = parts.constant(f"{head}query", query.reshape(1, sizes.heads, 1, sizes.head_size))
    scores = graph.op("MatMul", asked, graph.op("Transpose", key, perm=(0, 2, 3, 1)))
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), graph.op("Transpose", value, perm=(0, 2, 1, 3)))
    x = parts.dense(graph.op("Reshape", mixed, graph.ints(-1, hidden)), f"{head}attention.out_proj", hidden, hidden)
    inner = parts.dense(parts.norm(x, f"{head}layernorm"), f"{head}mlp.fc1", sizes.intermediate, hidden)
    inner = parts.dense(parts.activation(inner, sizes.activation), f"{head}mlp.fc2", hidden, sizes.intermediate)
    return graph.op("Add", x, inner), hidden


def _patches(image: ImageGraph, states: str) -> Pooled:
    return image.mean_of_patches(states), image.sizes.layer.hidden


def _first_and_patches(image: ImageGraph, states: str) -> Pooled:
    both = image.graph.op("Concat", image.first(states), image.mean_of_patches(states), axis=1)
    return both, 2 * image.sizes.layer.hidden


POOLINGS: dict[str, Callable[[ImageGraph, str], Pooled]] = {
    "first": _first,
    "pooler": _pooler,
    "beit": _beit,
    "clip": _clip,
    "siglip": _siglip,
}

CLASSIFIERS: dict[str, Callable[[ImageGraph, str], Pooled]] = {
    "first": _first,
    "embedding": lambda image, states: POOLINGS[image.family.embedding](image, states),
    "patches": _patches,
    "first-and-patches": _first_and_patches,
}
