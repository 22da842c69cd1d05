"""Rotary positions: query and key turned by angles that grow with the position, in the spellings of several families.

Turning takes pairs of channels. Whether a family pairs neighbours or halves, and whether it turns all channels, is
settled at conversion: the rows of query and key are put into one order, the first channel of every pair before all
second ones; channels that do not turn have the angle 0, and the graph is one and the same. Scores do not depend on the
order of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.convert.encoder.architectures import EXPORT
from naiad.convert.encoder.bodies.body import Body, Inputs
from naiad.convert.encoder.bodies.parts.dense import Product, join
from naiad.convert.encoder.bodies.parts.scope import Scope
from naiad.convert.encoder.config import Config
from naiad.core.errors import InvalidConfiguration, Unsupported
from naiad.core.json_values import is_number, shown
from naiad.core.tensor import Array

KINDS = ("default", "linear", "dynamic", "ntk")
"""Kinds of scaling that are computed. `ntk` is that of GTE's own code, fixed for all lengths."""


@dataclass(frozen=True, slots=True)
class Rope:
    """What a config.json says of its rotary positions."""

    theta: float
    kind: str = "default"
    factor: float = 1.0
    fraction: float = 1.0
    """Part of a head's channels that turns."""
    interleaved: bool = False
    """Neighbours are pairs; else halves."""
    trained: int = 0
    """`dynamic`: positions up to which nothing is scaled; 0: all that there are."""


def read_rope(config: Config, section: str = "") -> Rope:
    """From `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (before).

    section: the kind of layer, where each has parameters of its own. Raises Unsupported, InvalidConfiguration.
    """
    parameters = _object(config, "rope_parameters")
    if isinstance(parameters.get(section), Mapping):
        parameters = parameters[section]
    scaling = _object(config, "rope_scaling")
    kind = next(
        (said[key] for said in (scaling, parameters) for key in ("rope_type", "type") if said.get(key)), "default"
    )
    parameters = {**parameters, **scaling}
    if kind not in KINDS:
        raise Unsupported(
            f"config.json: rotary positions of the kind {kind!r} are not converted by Naiad itself; "
            f"known: {', '.join(KINDS)}; {EXPORT}",
            option="rope_type",
        )
    theta = f"{section}_theta" if section else "rope_theta"
    return Rope(
        theta=_positive(parameters, "rope_theta", config.number(theta)),
        kind=kind,
        factor=_positive(parameters, "factor", 1.0),
        fraction=_positive(parameters, "partial_rotary_factor", config.number("partial_rotary_factor")),
    )


def _object(config: Config, name: str) -> Mapping[str, Any]:
    key, value = config.entry(name)
    if not isinstance(value or {}, Mapping):
        raise InvalidConfiguration(f"config.json: {key} is {value!r}, not an object")
    return value or {}


def _positive(parameters: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = parameters.get(name)
    value = otherwise if value is None else value
    if not is_number(value) or value <= 0:
        raise InvalidConfiguration(f"config.json: {name} is {shown(value)}, not a number above 0")
    return float(value)


class Rotary:
    """Turns queries and keys of one body; layers that share a Rope share its angles."""

    def __init__(self, body: Body, rope: Rope) -> None:
        """Raises InvalidConfiguration for heads that cannot be cut into pairs."""
        self._body = body
        self._rope = rope
        self.tables: tuple[Array, Array] | None = None
        """Cosine and sine, (positions, head size / 2), where a checkpoint brings them; else they are computed."""
        size = body.sizes.head_size
        self._turned = int(size * rope.fraction)
        if size % 2 or self._turned % 2 or self._turned > size:
            raise InvalidConfiguration(
                f"config.json: rotary positions turn pairs of channels; a head has {size}, {self._turned} of them turn"
            )

    def attend(self, x: str, products: list[Product], scope: Scope, inputs: Inputs) -> str:
        """Attention of all heads with turned queries and keys, (T, hidden)."""
        query, key, value = products
        parts = [self._half(product, part) for part in (0, 1) for product in (query, key)]
        halves, values = self._body.multiply(x, [join(parts), self._body.values(value)], source="norm")
        queries, keys = self._turn(halves, inputs)
        return scope.attend(queries, keys, values)

    def _turn(self, x: str, inputs: Inputs) -> tuple[str, str]:
        """Queries and keys to turned ones, each (T, heads, head size).

        x: (T, 2 * all heads), the first halves of all queries and keys before all second ones: so what is multiplied
        lies in long runs. Head by head, ModernBERT took 3 % more time as a whole.
        """
        graph, sizes = self._body.graph, self._body.sizes
        cos, sin = self._angles(inputs)
        halves = graph.op("Reshape", x, graph.ints(0, 2, 2, sizes.attention // 2))
        one, other = graph.split(halves, [1, 1], axis=1)
        first = graph.op("Sub", graph.op("Mul", one, cos), graph.op("Mul", other, sin))
        second = graph.op("Add", graph.op("Mul", other, cos), graph.op("Mul", one, sin))
        shape = graph.ints(0, 2 * sizes.heads, sizes.head_size // 2)
        turned = graph.op("Concat", *(graph.op("Reshape", half, shape) for half in (first, second)), axis=2)
        query, key = graph.split(turned, [sizes.heads] * 2, axis=1)
        return query, key

    def _angles(self, inputs: Inputs) -> tuple[str, str]:
        """Cosine and sine for every token and pair of all heads, (T, 1, 1, all heads / 2)."""
        return self._of_all_heads("cos", inputs), self._of_all_heads("sin", inputs)

    def _of_all_heads(self, name: str, inputs: Inputs) -> str:
        graph, heads = self._body.graph, self._body.sizes.heads

        def make() -> str:
            one = self._computed(name, inputs) if self._is_dynamic else self._looked_up(name, inputs)
            return graph.op("Unsqueeze", graph.op("Tile", one, graph.ints(1, heads)), graph.ints(1, 2))

        return graph.once(f"{self._rope} {name}", make)

    def _looked_up(self, name: str, inputs: Inputs) -> str:
        """(T, head size / 2)."""
        graph = self._body.graph
        table = graph.weight(f"rotary.{self._rope.theta:g}.{name}", lambda: self._table(name))
        return graph.op("Gather", table, inputs.positions)

    def _computed(self, name: str, inputs: Inputs) -> str:
        """(T, head size / 2)."""
        graph = self._body.graph
        angle = graph.once(f"{self._rope}", lambda: self._dynamic_angles(inputs))
        return graph.op({"cos": "Cos", "sin": "Sin"}[name], angle)

    @property
    def _is_dynamic(self) -> bool:
        rope = self._rope
        return rope.kind == "dynamic" and 0 < rope.trained < self._body.sizes.max_tokens

    def _dynamic_angles(self, inputs: Inputs) -> str:
        """Angles whose base grows with a text's length beyond the trained one; (T, head size / 2)."""
        graph, rope = self._body.graph, self._rope
        others = graph.op("Slice", inputs.starts, graph.ints(1), graph.ints(2**62), graph.ints(0))
        ends = graph.op("Concat", others, graph.op("Shape", inputs.segments), axis=0)
        lengths = graph.op("Gather", graph.op("Sub", ends, inputs.starts), inputs.segments)
        longest = graph.op("Cast", graph.op("Max", lengths, graph.integer(rope.trained)), to=graph.FLOAT)
        stretch = graph.op("Mul", longest, graph.number(rope.factor / rope.trained))
        stretch = graph.op("Sub", stretch, graph.number(rope.factor - 1))
        power = graph.op("Pow", stretch, graph.number(self._turned / (self._turned - 2)))
        base = graph.op("Unsqueeze", graph.op("Mul", power, graph.number(rope.theta)), graph.ints(1))
        speeds = graph.op("Reciprocal", graph.op("Pow", base, graph.constant(self._exponents())))
        still = np.zeros((self._body.sizes.head_size - self._turned) // 2, np.float32)
        speeds = graph.op(
            "Mul", speeds, graph.constant(np.concatenate([np.ones(self._turned // 2, np.float32), still]))
        )
        positions = graph.op("Unsqueeze", graph.op("Cast", inputs.positions, to=graph.FLOAT), graph.ints(1))
        return graph.op("Mul", positions, speeds)

    def _exponents(self) -> Array:
        return np.arange(0, self._turned, 2, dtype=np.float32) / np.float32(self._turned)

    def _table(self, name: str) -> Array:
        """Cosine or sine of every position and pair; angles are float32, as transformers computes them."""
        if self.tables is not None:
            return self.tables[name == "sin"]
        sizes, rope = self._body.sizes, self._rope
        base = np.float32(rope.theta)
        scale = np.float32(1)
        if rope.kind == "linear":
            scale = np.float32(rope.factor)
        elif rope.kind == "ntk" and rope.factor > 1:
            base = np.float32(rope.theta * rope.factor)
            scale = np.float32(rope.factor ** (2 / self._turned))
        speeds = np.float32(1) / base ** self._exponents() / scale
        still = np.zeros((sizes.head_size - self._turned) // 2, np.float32)
        positions = np.arange(sizes.positions, dtype=np.float32)
        angles = positions[:, None] * np.concatenate([speeds, still])
        table: Array = np.cos(angles) if name == "cos" else np.sin(angles)
        return table

    def _half(self, product: Product, part: int) -> Product:
        """The rows of one channel of every pair: of the first (part 0) or second ones (1) of all heads."""
        size, turned = self._body.sizes.head_size, self._turned
        pairs = np.arange(turned).reshape((-1, 2) if self._rope.interleaved else (2, -1))
        channels = pairs[:, part] if self._rope.interleaved else pairs[part]
        still = np.arange(turned, size).reshape(2, -1)[part]
        channels = np.concatenate([channels, still])
        rows = (np.arange(self._body.sizes.heads)[:, None] * size + channels).reshape(-1)
        return Product(product.module, product.weight[rows], None if product.bias is None else product.bias[rows])
