"""Inputs and outputs of an encoder that somebody else exported, and which input is which by its name.

Not here: what the outputs mean (`choice.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.errors import LoadFailed

Dims = tuple[int | str | None, ...]

ROLES = {
    "input_ids": "input_ids",
    "input_word_ids": "input_ids",
    "attention_mask": "attention_mask",
    "input_mask": "attention_mask",
    "token_type_ids": "token_type_ids",
    "segment_ids": "token_type_ids",
    "input_type_ids": "token_type_ids",
    "position_ids": "position_ids",
    "global_attention_mask": "global_attention_mask",
}
"""Names that exporters give to what a text is turned into, without `:0` behind them, and what they mean. Global
attention (Longformer) is zero, as transformers has it for a text without a question."""

_TYPES: dict[str, type[np.generic]] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(bool)": np.bool_,
}

_WHOLE = ("tensor(int64)", "tensor(int32)")

Constants = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ports:
    """Inputs and outputs of an exported encoder, by name: their shapes, as the file gives them."""

    inputs: Mapping[str, Dims]
    outputs: Mapping[str, Dims]
    input_types: Mapping[str, type[np.generic]] = field(default_factory=dict)
    constants: Constants = field(default_factory=dict)
    """Inputs that are the same for every text, and their value."""

    @classmethod
    def of(cls, session: Any, graph: Path, constants: Constants | None = None) -> Ports:
        """Look at a session of `graph`. Raises LoadFailed where it is no text encoder."""
        nodes = session.get_inputs()
        for node in nodes:
            _check_type(graph, node)
        ports = cls(
            {node.name: tuple(node.shape) for node in nodes},
            {node.name: tuple(node.shape) for node in session.get_outputs()},
            {node.name: _TYPES[node.type] for node in nodes},
            dict(constants or {}),
        )
        ports.check(graph)
        return ports

    def check(self, graph: Path) -> None:
        """Raise LoadFailed where an input is not known, or no batch can be given."""
        missing = [name for name in self.constants if name not in self.inputs]
        if missing:
            raise LoadFailed(f"{graph}: inputs: no input {', '.join(missing)}; the file has {', '.join(self.inputs)}")
        given = {role(name) for name in self.inputs}
        foreign = [name for name in self.inputs if not role(name) and name not in self.constants]
        if foreign or "input_ids" not in given or len(self.inputs[self.ids]) != 2:
            raise LoadFailed(
                f"{graph}: not a text encoder: its inputs are {', '.join(self.inputs)}; an encoder takes input_ids of "
                "(batch, tokens), and optionally attention_mask, token_type_ids and position_ids"
                + (f"; if {foreign[0]} is a number, set it by `inputs: {{{foreign[0]}: NUMBER}}`" if foreign else ""),
                path=str(graph),
            )
        if isinstance(self.inputs[self.ids][0], int):
            raise LoadFailed(
                f"{graph}: the batch axis is fixed at {self.inputs[self.ids][0]}; export it with a dynamic axis",
                path=str(graph),
            )

    @property
    def ids(self) -> str:
        """The input for token ids."""
        return next(name for name in self.inputs if role(name) == "input_ids")

    @property
    def takes_types(self) -> bool:
        """Whether there is an input for type ids."""
        return any(role(name) == "token_type_ids" for name in self.inputs)

    @property
    def fixed_tokens(self) -> int:
        """The length to which the file wants every sequence padded; 0 = any length."""
        length = self.inputs[self.ids][1]
        return length if isinstance(length, int) else 0


def _check_type(graph: Path, node: Any) -> None:
    """Token ids and the like are whole numbers; a mask and what is constant may be others."""
    if node.type in _WHOLE or (node.type in _TYPES and role(node.name) in ("attention_mask", "")):
        return
    raise LoadFailed(f"{graph}: input '{node.name}' must be int64 or int32, not {node.type}", path=str(graph))


def role(name: str) -> str:
    """What an input means, by its name; empty for one that is not known."""
    return ROLES.get(name.removesuffix(":0"), "")
