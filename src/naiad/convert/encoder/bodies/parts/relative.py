"""A bias of attention scores by distance, in buckets: MPNet's and T5's.

Not here: DeBERTa's distances, which are multiplied with queries and keys (`distance.py`).
"""

from __future__ import annotations

import math

import numpy as np

from naiad.convert.encoder.bodies.body import Body
from naiad.core.tensor import Array


def bias_by_distance(body: Body, distances: str, name: str, farthest: int) -> str:
    """(lanes, heads, queries, keys) from a weight (buckets, heads), for distances (lanes, queries, keys).

    Distances are the key's place minus the query's. Tokens beyond `farthest` share the last bucket of either side.

    Rows of all heads are looked up and then turned: eight times faster than looking up single numbers.
    """
    graph, count = body.graph, body.config.integer("relative_attention_num_buckets")
    rows = body.weights.body(name, count, body.sizes.heads)
    buckets = relative_buckets(np.arange(-farthest, farthest + 1), count, farthest)
    table = graph.weight(name, lambda: rows[buckets])
    places = graph.op("Add", distances, graph.integer(farthest))
    places = graph.op("Clip", places, graph.integer(0), graph.integer(2 * farthest))
    return graph.op("Transpose", graph.op("Gather", table, places), perm=[0, 3, 1, 2])


def relative_buckets(distance: Array, buckets: int, farthest: int) -> Array:
    """The bucket of each distance (key position minus query position), int64; same shape.

    Half of the buckets for either direction; in each half, small distances have their own bucket, larger ones share
    logarithmically growing buckets up to `farthest`.
    """
    half = buckets // 2
    exact = half // 2
    size = np.abs(distance)
    ratio = np.maximum(size, 1).astype(np.float32) / np.float32(exact)
    steps = np.log(ratio) / np.float32(math.log(farthest / exact)) * np.float32(half - exact)
    large = np.minimum(exact + steps.astype(np.int64), half - 1)
    return np.where(size < exact, size, large) + np.where(distance > 0, half, 0)
