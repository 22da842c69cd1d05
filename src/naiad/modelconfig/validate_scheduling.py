"""Contradictions in how requests are queued, joined and chained; called by `validate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from naiad.modelconfig.ensemble.graph import validate_ensemble
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document


def validate_scheduling(document: Document) -> None:
    """Check the scheduling choice of a normalised document. Raises InvalidConfiguration."""
    if "dynamic_batching" in document:
        _validate_dynamic(document["name"], document["dynamic_batching"], document["max_batch_size"])
    if "ensemble_scheduling" in document or document["platform"] == ENSEMBLE:
        validate_ensemble(document)
    _validate_cache(document)


def _refuse(model: str, reason: str) -> NoReturn:
    refuse(model, f"model '{model}': {reason}")


def validate_preferred(model: str, what: str, sizes: Sequence[int], max_batch_size: int) -> None:
    """Check `preferred_batch_size`. Raises InvalidConfiguration."""
    for size in sizes:
        if size <= 0:
            refuse(model, f"{what} must be positive for {model}", f"it is {size}")
        if size > max_batch_size:
            refuse(model, f"{what} must be <= max batch size for {model}", f"{size} > {max_batch_size}")


def _validate_dynamic(model: str, batching: Mapping[str, Any], max_batch_size: int) -> None:
    validate_preferred(model, "dynamic batching preferred size", batching["preferred_batch_size"], max_batch_size)
    levels, default = batching["priority_levels"], batching["default_priority_level"]
    policies = batching["priority_queue_policy"]
    if levels and not 1 <= default <= levels:
        refuse(model, f"default priority level must be in range [1, {levels}] for {model}", f"it is {default}")
    for level in policies if levels else ():
        if not 1 <= int(level) <= levels:
            reason = f"priority queue policy must have priority level in range [1, {levels}] for {model}"
            refuse(model, reason, f"there is one for level {level}")
    if not batching["preserve_ordering"]:
        return
    if levels > 1:
        refuse(model, f"Only one priority level is allowed when 'preserve_ordering' is true for {model}")
    for policy in (batching.get("default_queue_policy", {}), *policies.values()):
        if policy.get("timeout_action") == "DELAY" and policy["default_timeout_microseconds"]:
            reason = f"Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for {model}"
            refuse(model, reason, "use REJECT")


def _validate_cache(document: Document) -> None:
    if not document.get("response_cache", {}).get("enable"):
        return
    words = f"Response Cache does not currently support model {document['name']} with"
    if "sequence_batching" in document:
        refuse(document["name"], f"{words} sequence batching scheduler. Please disable the response cache.")
    if document.get("model_transaction_policy", {}).get("decoupled"):
        refuse(document["name"], f"{words} 'decoupled' transaction policy. Please disable the response cache.")
