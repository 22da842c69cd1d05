"""Texts as a rectangle, padded at the end: what an exported encoder is fed with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naiad.core.datatypes import BY_NAME
from naiad.core.encoding.encoder import TextTokens
from naiad.core.encoding.files import EncoderFiles
from naiad.core.encoding.ports import Ports, role
from naiad.core.tensor import Array


class Rectangle:
    """Several texts side by side."""

    def __init__(self, items: Sequence[TextTokens], files: EncoderFiles, ports: Ports, tokens: int = 0) -> None:
        """Pad to what the graph wants, else to `tokens`; 0 = the longest of them."""
        self._items = items
        self._spec = files.spec
        self._constants = files.constants
        self._ports = ports
        tokens = ports.fixed_tokens or tokens
        self.shape = (len(items), tokens or max(item.tokens for item in items))
        lengths = np.array([[item.tokens] for item in items])
        self._inside = np.arange(self.shape[1])[None, :] < lengths

    def feeds(self) -> dict[str, Array]:
        """Every input of the graph, in the type that it wants."""
        feeds: dict[str, Array] = {}
        for name, dims in self._ports.inputs.items():
            kind = BY_NAME[self._ports.types[name]].numpy
            if name in self._constants:
                shape = [axis if isinstance(axis, int) else self.shape[0] for axis in dims]
                feeds[name] = np.full(shape, self._constants[name]).astype(kind)
            else:
                feeds[name] = self._feed(role(name)).astype(kind)
        return feeds

    def _feed(self, meaning: str) -> Array:
        if meaning == "attention_mask":
            return self._inside
        if meaning == "position_ids":
            return np.broadcast_to(np.arange(self.shape[1]) + self._spec.position_offset, self.shape)
        filled = np.full(self.shape, self._spec.pad_token_id if meaning == "input_ids" else 0, np.int64)
        if meaning == "global_attention_mask":
            return filled
        for row, item in zip(filled, self._items, strict=True):
            values = item.input_ids if meaning == "input_ids" else item.type_ids
            if values is not None:
                row[: item.tokens] = values
        return filled
