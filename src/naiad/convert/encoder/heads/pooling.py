"""One vector for each sequence from the states of its tokens, in a packed graph."""

from __future__ import annotations

from collections.abc import Callable

from naiad.convert.encoder.bodies.body import Body, Inputs


def _membership(body: Body, inputs: Inputs) -> str:
    """(n, T) float: 1 where a token belongs to a sequence; pooling is a product with this matrix."""
    graph = body.graph

    def make() -> str:
        count = graph.op("Squeeze", graph.op("Shape", inputs.starts), graph.ints(0))
        numbers = graph.op("Range", graph.integer(0), count, graph.integer(1))
        down = graph.op("Unsqueeze", numbers, graph.ints(1))
        same = graph.op("Equal", down, graph.op("Unsqueeze", inputs.segments, graph.ints(0)))
        return graph.op("Cast", same, to=graph.FLOAT)

    return graph.once("membership", make)


def _weighted(body: Body, weights: str, x: str, *, root: bool = False) -> str:
    """Sum of x's rows by the weights (n, T), divided by the weights' sum or its square root."""
    graph = body.graph
    total = graph.op("ReduceSum", weights, graph.ints(1), keepdims=1)
    return graph.op("Div", graph.op("MatMul", weights, x), graph.op("Sqrt", total) if root else total)


def _mean(body: Body, inputs: Inputs, x: str) -> str:
    return _weighted(body, _membership(body, inputs), x)


def _mean_sqrt_len(body: Body, inputs: Inputs, x: str) -> str:
    return _weighted(body, _membership(body, inputs), x, root=True)


def _weighted_mean(body: Body, inputs: Inputs, x: str) -> str:
    """Weights 1, 2, 3 … along each sequence."""
    graph = body.graph
    begins = graph.op("Gather", inputs.starts, inputs.segments)
    count = graph.op("Squeeze", graph.op("Shape", inputs.segments), graph.ints(0))
    place = graph.op("Range", graph.integer(1), graph.op("Add", count, graph.integer(1)), graph.integer(1))
    weights = graph.op("Cast", graph.op("Sub", place, begins), to=graph.FLOAT)
    return _weighted(body, graph.op("Mul", _membership(body, inputs), weights), x)


def _cls(body: Body, inputs: Inputs, x: str) -> str:
    return body.graph.op("Gather", x, inputs.starts, axis=0)


def _last_token(body: Body, inputs: Inputs, x: str) -> str:
    """The token before the next sequence begins."""
    graph = body.graph
    others = graph.op("Slice", inputs.starts, graph.ints(1), graph.ints(2**62), graph.ints(0))
    ends = graph.op("Concat", others, graph.op("Shape", inputs.segments), axis=0)
    return graph.op("Gather", x, graph.op("Sub", ends, graph.ints(1)), axis=0)


def _max(body: Body, inputs: Inputs, x: str) -> str:
    """Largest value of every channel: scattered into one row for each sequence."""
    graph, hidden = body.graph, body.sizes.hidden
    shape = graph.op("Concat", graph.op("Shape", inputs.starts), graph.ints(hidden), axis=0)
    lowest = graph.op("Expand", graph.number(float("-inf")), shape)
    rows = graph.op("Expand", graph.op("Unsqueeze", inputs.segments, graph.ints(1)), graph.op("Shape", x))
    return graph.op("ScatterElements", lowest, rows, x, axis=0, reduction="max")


POOLINGS: dict[str, Callable[[Body, Inputs, str], str]] = {
    "mean": _mean,
    "cls": _cls,
    "max": _max,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}
