"""The tensors of a graph that are not the callers', but the scheduler's of sequences: controls and states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig


def added_names(document: Mapping[str, Any], side: str) -> frozenset[str]:
    """Return the names of those on one side of a document, `input` or `output`."""
    batching = document.get("sequence_batching", {})
    controls = batching.get("control_input", ()) if side == "input" else ()
    names = [control["name"] for control in controls]
    return frozenset(names + [state[f"{side}_name"] for state in batching.get("state", ())])


def check_controls(config: ModelConfig, inputs: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Raise LoadFailed, in the words of Triton's backend, for a control that the graph does not have as it is used.

    inputs: datatype and shape by name, the batch dimension included.
    """
    batching = config.sequence_batching
    for control in () if batching is None else batching.controls:
        what = f"sequence control '{control.name}'"
        if control.name not in inputs:
            raise _refused(config, f"configuration specified {what}, but model does not provide that input")
        datatype, shape = inputs[control.name]
        dims = shape[1:] if config.max_batch_size > 0 else shape
        if dims not in ((1,), (-1,)):
            written = ",".join(map(str, dims))
            raise _refused(config, f"{what} in model has dims [{written}] but dims [1] is expected")
        if datatype != control.datatype:
            given = BY_NAME[datatype].config_name if datatype in BY_NAME else datatype
            raise _refused(
                config,
                f"{what}, the model expects data-type {given} but the model configuration specifies data-type "
                f"{BY_NAME[control.datatype].config_name}",
            )


def _refused(config: ModelConfig, reason: str) -> LoadFailed:
    return LoadFailed(f"unable to load model '{config.name}', {reason}", model=config.name)
