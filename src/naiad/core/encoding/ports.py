"""Inputs and outputs of a graph by the names of its file, and which input of a text encoder is which by its name.

A backend reads them, and a graph that somebody else exported is described by them. Not here: what the outputs mean
(`naiad.convert.onnx_outputs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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

_WHOLE = ("INT64", "INT32")
_NUMBERS = (*_WHOLE, "FP32", "FP16", "BOOL")


@dataclass(frozen=True, slots=True)
class Ports:
    """What a graph takes and gives."""

    inputs: Mapping[str, Dims]
    outputs: Mapping[str, Dims]
    """Shapes as the file gives them: numbers, names of what varies, or None."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Datatypes of inputs and outputs: rows of the datatype table, or the runtime's own words if there is none."""
    dependence: str = ""
    """Text encoders: how a text's answer depends on what shares its run; empty where it does not, or nobody looked."""
    makers: Mapping[str, str] = field(default_factory=dict)
    """Output → the operator that makes its numbers, which may be one that only moves them; as far as it is known."""

    def check_text(self, graph: Path, constants: Mapping[str, float]) -> None:
        """Raise LoadFailed unless this is a text encoder's graph that takes batches, besides these constant inputs."""
        for name in self.inputs:
            kind = self.types.get(name, "INT64")
            if kind not in (_NUMBERS if role(name) in ("attention_mask", "") else _WHOLE):
                raise LoadFailed(f"{graph}: input '{name}' must be INT64 or INT32, not {kind}", path=str(graph))
        missing = [name for name in constants if name not in self.inputs]
        if missing:
            raise LoadFailed(f"{graph}: inputs: no input {', '.join(missing)}; the file has {', '.join(self.inputs)}")
        given = {role(name) for name in self.inputs}
        foreign = [name for name in self.inputs if not role(name) and name not in constants]
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
        """The length to which the file wants every text padded; 0 = any length."""
        length = self.inputs[self.ids][1]
        return length if isinstance(length, int) else 0


SHARES = frozenset({"Softmax", "Sigmoid"})
"""Operators after which an output is no logits any more."""


def role(name: str) -> str:
    """What an input means, by its name; empty for one that is not known."""
    return ROLES.get(name.removesuffix(":0"), "")
