"""What a function may return for its outputs: a mapping by name, or the arrays in the order of the declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.functions.context import current_model


def by_name(outputs: Any) -> Mapping[str, Any]:
    """Give outputs their names. Raises TypeError for what is no set of outputs, ValueError for the wrong number."""
    if isinstance(outputs, Mapping):
        return outputs
    if not isinstance(outputs, list | tuple):
        outputs = [outputs] if hasattr(outputs, "dtype") else outputs
    if not isinstance(outputs, list | tuple):
        raise TypeError(
            f"the function returned {type(outputs).__name__}; return a dict of arrays by output name, or the arrays in "
            "the order of the outputs"
        )
    names = [str(tensor.name) for tensor in current_model().outputs]
    if len(outputs) != len(names):
        raise ValueError(
            f"the function returned {len(outputs)} outputs; the model has {len(names)}: {', '.join(names)}"
        )
    return dict(zip(names, outputs, strict=True))
