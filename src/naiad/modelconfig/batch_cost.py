"""Three parameters of a model that bound what a batch costs, beyond Triton: `max_batch_cost` and what belongs to it."""

from __future__ import annotations

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import BatchCost
from naiad.modelconfig.schema import Document

MOST, INPUT, KIND = "max_batch_cost", "max_batch_cost_input", "max_batch_cost_kind"
_KINDS = {"sum": False, "padded": True}
"""By name, whether rows count as long as the longest of the batch."""


def read_batch_cost(document: Document) -> BatchCost | None:
    """Read the parameters of a normalised document; None: there is no bound. Raises InvalidConfiguration."""
    model, parameters = document["name"], document["parameters"]
    values = {key: parameters[key]["string_value"] for key in (MOST, INPUT, KIND) if key in parameters}
    if not values:
        return None
    if MOST not in values:
        raise _wrong(model, f"parameter '{next(iter(values))}' needs '{MOST}', the most that a batch may cost")
    text, kind = values[MOST].strip(), values.get(KIND, "sum")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text)):
        raise _wrong(model, f"parameter '{MOST}' must be a whole number of elements, at least 1, not '{text[:40]}'")
    if kind not in _KINDS:
        raise _wrong(model, f"parameter '{KIND}' must be one of {', '.join(_KINDS)}, not '{kind[:40]}'")
    if document["max_batch_size"] < 1:
        raise _wrong(model, f"parameter '{MOST}' needs batching: set max_batch_size to 1 or more")
    if "sequence_batching" in document or "ensemble_scheduling" in document:
        raise _wrong(model, f"parameter '{MOST}' is for models with dynamic batching; remove it")
    names = [tensor["name"] for tensor in document["input"]]
    name = values.get(INPUT, names[0] if names else "")
    if name not in names:
        raise _wrong(model, f"parameter '{INPUT}' names '{name}', which is none of the inputs: {', '.join(names)}")
    return BatchCost(int(text), name, _KINDS[kind])


def _wrong(model: str, reason: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"model '{model}': {reason}", model=model)
