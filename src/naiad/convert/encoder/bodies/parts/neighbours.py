"""A token and those beside it, as convolutions over a text see them; never one of another text.

Not here: what is done with them (DeBERTa's convolution, MobileBERT's trigrams, SqueezeBERT's products).
"""

from __future__ import annotations

import numpy as np

from naiad.convert.encoder.bodies.body import Inputs
from naiad.convert.encoder.graph import GraphBuilder
from naiad.core.tensor import Array


def neighbours(graph: GraphBuilder, x: str, inputs: Inputs, width: int) -> list[str]:
    """For each of `width` places around a token, an odd number, what stands there, (T, …); zeros beyond the text."""
    reach = width // 2
    segments = graph.op("Unsqueeze", inputs.segments, graph.ints(1))
    padded = graph.op("Pad", x, graph.ints(reach, 0, reach, 0))
    owners = graph.op("Pad", segments, graph.ints(reach, 0, reach, 0), graph.integer(-1))
    count = graph.op("Shape", inputs.segments)
    found = []
    for place in range(width):
        begin, end = graph.ints(place), graph.op("Add", count, graph.ints(place))
        part, owner = (graph.op("Slice", rows, begin, end, graph.ints(0)) for rows in (padded, owners))
        found.append(graph.op("Where", graph.op("Equal", owner, segments), part, graph.number(0.0)))
    return found


def joined_kernel(weight: Array, groups: int) -> Array:
    """A kernel (out, in / groups, width) as one matrix (out, width * in) over a neighbourhood laid side by side."""
    out, narrow, width = weight.shape
    full = np.zeros((out, width, groups * narrow), np.float32)
    for group in range(groups):
        rows = slice(group * out // groups, (group + 1) * out // groups)
        full[rows, :, group * narrow : (group + 1) * narrow] = weight[rows].transpose(0, 2, 1)
    return full.reshape(out, -1)
