"""One vector for each text from the states of its tokens, in a packed graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from naiad.convert.encoder.bodies.body import Inputs
from naiad.convert.encoder.graph import GraphBuilder

SMALLEST_SUM = 1e-9
"""What weights that may all be zero are divided by at least; sentence-transformers has the same."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The states of a pack's tokens, and which of them count."""

    graph: GraphBuilder
    inputs: Inputs
    states: str
    """(T, width) float32."""
    width: int
    prompts: str = ""
    """(n,) int64: how many tokens at each text's begin are left out; empty: none of any."""


def pool(tokens: Tokens, modes: tuple[str, ...]) -> tuple[str, int]:
    """The poolings side by side, (n, width of all), and how wide that is."""
    parts = [POOLINGS[mode](tokens) for mode in modes]
    joined = parts[0] if len(parts) == 1 else tokens.graph.op("Concat", *parts, axis=1)
    return joined, tokens.width * len(parts)


def _places(tokens: Tokens) -> str:
    """(T,) int64: 0, 1, 2 … along each text."""
    graph, inputs = tokens.graph, tokens.inputs

    def make() -> str:
        return graph.op("Sub", graph.numbers(inputs.segments), graph.op("Gather", inputs.starts, inputs.segments))

    return graph.once("places", make)


def _counted(tokens: Tokens) -> str:
    """(T,) bool: tokens behind their text's prompt."""
    graph = tokens.graph
    prompts = graph.op("Gather", tokens.prompts, tokens.inputs.segments)
    return graph.once("counted", lambda: graph.op("GreaterOrEqual", _places(tokens), prompts))


def membership(tokens: Tokens) -> str:
    """(n, T) float: 1 where a token counts for a text; pooling is a product with this matrix."""
    graph, inputs = tokens.graph, tokens.inputs

    def make() -> str:
        down = graph.op("Unsqueeze", graph.numbers(inputs.starts), graph.ints(1))
        same = graph.op("Equal", down, graph.op("Unsqueeze", inputs.segments, graph.ints(0)))
        if tokens.prompts:
            same = graph.op("And", same, graph.op("Unsqueeze", _counted(tokens), graph.ints(0)))
        return graph.op("Cast", same, to=graph.FLOAT)

    return graph.once(f"membership {bool(tokens.prompts)}", make)


def _weighted(tokens: Tokens, weights: str, *, root: bool = False) -> str:
    """Sum of the states by the weights (n, T), divided by the weights' sum or its square root."""
    graph = tokens.graph
    total = graph.op("ReduceSum", weights, graph.ints(1), keepdims=1)
    if tokens.prompts:
        total = graph.op("Max", total, graph.number(SMALLEST_SUM))
    return graph.op("Div", graph.op("MatMul", weights, tokens.states), graph.op("Sqrt", total) if root else total)


def _mean(tokens: Tokens) -> str:
    return _weighted(tokens, membership(tokens))


def _mean_sqrt_len(tokens: Tokens) -> str:
    return _weighted(tokens, membership(tokens), root=True)


def _weighted_mean(tokens: Tokens) -> str:
    """Weights 1, 2, 3 … along each text; a prompt that is left out leaves the others' as they are."""
    graph = tokens.graph
    weights = graph.op("Cast", graph.op("Add", _places(tokens), graph.integer(1)), to=graph.FLOAT)
    return _weighted(tokens, graph.op("Mul", membership(tokens), weights))


def ends(tokens: Tokens) -> str:
    """(n,) int64: where each text ends, which is where the next one begins."""
    graph, inputs = tokens.graph, tokens.inputs

    def make() -> str:
        others = graph.op("Slice", inputs.starts, graph.ints(1), graph.ints(2**62), graph.ints(0))
        return graph.op("Concat", others, graph.op("Shape", inputs.segments), axis=0)

    return graph.once("ends", make)


def _cls(tokens: Tokens) -> str:
    """The first token that counts; of a text in which none does, the very first."""
    graph, first = tokens.graph, tokens.inputs.starts
    if tokens.prompts:
        length = graph.op("Sub", ends(tokens), first)
        fits = graph.op("Less", tokens.prompts, length)
        first = graph.op("Add", first, graph.op("Where", fits, tokens.prompts, graph.integer(0)))
    return graph.op("Gather", tokens.states, first, axis=0)


def _last_token(tokens: Tokens) -> str:
    graph = tokens.graph
    return graph.op("Gather", tokens.states, graph.op("Sub", ends(tokens), graph.ints(1)), axis=0)


def _max(tokens: Tokens) -> str:
    """Largest value of every channel: scattered into one row for each text."""
    graph, states = tokens.graph, tokens.states
    shape = graph.op("Concat", graph.op("Shape", tokens.inputs.starts), graph.ints(tokens.width), axis=0)
    lowest = graph.op("Expand", graph.number(float("-inf")), shape)
    if tokens.prompts:
        counted = graph.op("Unsqueeze", _counted(tokens), graph.ints(1))
        states = graph.op("Where", counted, states, graph.number(float("-inf")))
    segments = graph.op("Unsqueeze", tokens.inputs.segments, graph.ints(1))
    rows = graph.op("Expand", segments, graph.op("Shape", states))
    return graph.op("ScatterElements", lowest, rows, states, axis=0, reduction="max")


POOLINGS: dict[str, Callable[[Tokens], str]] = {
    "mean": _mean,
    "cls": _cls,
    "max": _max,
    "mean_sqrt_len": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": _last_token,
}
