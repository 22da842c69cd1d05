"""The graph of an image encoder: pixel values in, a state for every token of every image out.

All images of a run have the size that the graph was made for; what depends on it is worked out here, once.
Not here: what is made of the states (`pooling.py`, `build.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from naiad.convert.vision.families import ImageFamily
from naiad.convert.vision.layers import Layers, Parts, attend_in_batch
from naiad.convert.vision.positions import relative_bias, resample_positions
from naiad.convert.vision.sizes import ImageSizes, image_options
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array

PIXELS = "pixel_values"


class ImageGraph:
    """Adds the parts of one image encoder to a graph."""

    def __init__(self, parts: Parts, family: ImageFamily, sizes: ImageSizes, config: Mapping[str, Any]) -> None:
        self.parts = parts
        self.graph = parts.graph
        self.weights = parts.weights
        self.family = family
        self.sizes = sizes
        self.config = config
        self.options = image_options(config, family)
        self._shared_bias = ""

    def states(self, leading: int = 0) -> str:
        """The last hidden state, (images, tokens, hidden); leading: of so many first tokens only, 0: of all."""
        graph, sizes, prefix = self.graph, self.sizes, self.weights.prefix
        if self.parts.multiply.observes:
            leading = 0
        pixels = graph.input(PIXELS, ("images", sizes.channels, *sizes.image), floats=True)
        x = graph.op("Reshape", self._embeddings(pixels), graph.ints(-1, sizes.layer.hidden))
        if self.family.pre_norm:
            x = self.parts.norm(x, prefix + self.family.pre_norm)
        if self.options.flag("use_shared_relative_position_bias"):
            self._shared_bias = self._relative_bias(f"{prefix}encoder.")
        gated = self.options.flag("use_swiglu_ffn")
        x = Layers(self.parts, self.family.names, self.family.layer, self._attend, is_gated=gated)(
            x, self._leading(pixels, leading) if leading else ""
        )
        if self._has_final_norm:
            x = self.parts.norm(x, prefix + self.family.final_norm)
        return graph.op("Reshape", x, graph.ints(-1, leading or sizes.length, sizes.layer.hidden))

    def _leading(self, pixels: str, count: int) -> str:
        """(images * count,): where the first tokens of each image are."""
        graph = self.graph
        begins = graph.op("Mul", graph.numbers(pixels), graph.integer(self.sizes.length))
        places = graph.op("Add", graph.op("Unsqueeze", begins, graph.ints(1)), graph.ints(*range(count)))
        return graph.op("Reshape", places, graph.ints(-1))

    def first(self, states: str, number: int = 0) -> str:
        """The state of one of the tokens before the patches, (images, hidden)."""
        return self.graph.op("Gather", states, self.graph.integer(number), axis=1)

    def mean_of_patches(self, states: str) -> str:
        """The mean over the patches, (images, hidden)."""
        graph, sizes = self.graph, self.sizes
        if sizes.before_patches:
            begin, end = graph.ints(sizes.before_patches), graph.ints(sizes.length)
            states = graph.op("Slice", states, begin, end, graph.ints(1))
        return graph.op("ReduceMean", states, graph.ints(1), keepdims=0)

    @property
    def _has_final_norm(self) -> bool:
        """BEiT with mean pooling has its norm behind the pooling."""
        return bool(self.family.final_norm) and not (
            self.family.embedding == "beit" and self.options.flag("use_mean_pooling", default=True)
        )

    def _embeddings(self, pixels: str) -> str:
        """Patches with the tokens before them and all positions, (images, tokens, hidden)."""
        graph, sizes, module = self.graph, self.sizes, self.weights.prefix + self.family.patches
        hidden = sizes.layer.hidden
        weight = self.weights.get(f"{module}.weight", hidden, sizes.channels, *sizes.patch)
        terms = [pixels, graph.weight(f"{module}.weight", lambda: weight)]
        if self.weights.find(f"{module}.bias") is not None:
            terms.append(self.parts.vector(f"{module}.bias"))
        x = graph.op("Conv", *terms, kernel_shape=sizes.patch, strides=sizes.patch)
        x = graph.op("Reshape", x, graph.ints(0, hidden, -1))
        x = graph.op("Transpose", x, perm=(0, 2, 1))
        if sizes.before_patches:
            x = graph.op("Pad", x, graph.ints(0, sizes.before_patches, 0, 0, 0, 0))
        return graph.op("Add", x, self.parts.constant("embeddings", self._table()))

    def _table(self) -> Array:
        """What is added to every image: positions, and where no patch stands the token itself; (tokens, hidden)."""
        sizes = self.sizes
        hidden = sizes.layer.hidden
        tokens = [self._rows(name, 1) for name in self.family.tokens]
        before = np.concatenate(tokens) if tokens else np.zeros((0, hidden), np.float32)
        patches = np.zeros((sizes.grid[0] * sizes.grid[1], hidden), np.float32)
        if self._has_positions:
            rows, columns = sizes.trained_grid
            positions = self._rows(self.family.positions, sizes.tokens + rows * columns)
            before = before + positions[: sizes.tokens]
            patches = positions[sizes.tokens :]
            if self.family.resampling:
                is_square = sizes.image[0] == sizes.image[1]
                patches = resample_positions(patches, sizes.grid, self.family.resampling, is_square=is_square)
        registers = [self._rows(self.family.registers, sizes.registers)] if sizes.registers else []
        return np.concatenate([before, *registers, patches])

    @property
    def _has_positions(self) -> bool:
        return self.family.embedding != "beit" or self.options.flag("use_absolute_position_embeddings")

    def _rows(self, name: str, count: int) -> Array:
        """A weight of the body as (count, hidden), whatever axes of one it has."""
        full, hidden = self.weights.prefix + name, self.sizes.layer.hidden
        shape = self.weights.shape(full)
        if int(np.prod(shape)) != count * hidden or shape[-1] != hidden:
            raise LoadFailed(
                f"the weight {full} has shape {shape}, not {count} rows of {hidden} as config.json says", weight=full
            )
        return self.weights.get(full, *shape).reshape(count, hidden)

    def _attend(self, query: str, key: str, value: str, prefix: str) -> str:
        bias = self._shared_bias
        if self.options.flag("use_relative_position_bias"):
            own = self._relative_bias(f"{prefix}attention.attention.")
            bias = self.graph.op("Add", own, bias) if bias else own
        return attend_in_batch(self.parts, query, key, value, self.sizes.length, bias)

    def _relative_bias(self, prefix: str) -> str:
        """BEiT's bias by distance, (heads, tokens, tokens)."""
        name = f"{prefix}relative_position_bias.relative_position_bias_table"
        rows, columns = self.sizes.trained_grid
        table = self.weights.get(name, (2 * rows - 1) * (2 * columns - 1) + 3, self.sizes.layer.heads)
        bias = relative_bias(table, self.sizes.trained_grid, self.sizes.grid)
        return self.parts.constant(f"{prefix}relative_position_bias", bias)
