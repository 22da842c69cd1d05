"""Contradictions in how requests are queued, joined and chained; called by `validate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document


def validate_scheduling(document: Document) -> None:
    """Check the scheduling choice of a normalised document. Raises InvalidConfiguration."""
    if "dynamic_batching" in document:
        _validate_dynamic(document["name"], document["dynamic_batching"], document["max_batch_size"])
    if "ensemble_scheduling" in document or document["platform"] == ENSEMBLE:
        _validate_ensemble(document)
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


def _validate_ensemble(document: Document) -> None:
    model = document["name"]
    if document["platform"] != ENSEMBLE:
        _refuse(model, f"ensemble scheduling needs platform 'ensemble', not '{document['platform']}'")
    if document["backend"]:
        _refuse(model, "an ensemble may not have 'backend'")
    for field in ("instance_group", "optimization", "model_warmup"):
        if document.get(field):
            _refuse(model, f"an ensemble may not have '{field}'")
    steps = document.get("ensemble_scheduling", {}).get("step", [])
    if not steps:
        _refuse(model, "must specify 'step' for ensemble")
    for step in steps:
        _validate_step(model, step)
    _validate_graph(document, steps)


def _validate_step(model: str, step: Mapping[str, Any]) -> None:
    if not step["model_name"]:
        _refuse(model, "must specify 'model_name' in every step of an ensemble")
    for side in ("input_map", "output_map"):
        if not step[side]:
            _refuse(model, f"must specify '{side}' in step '{step['model_name']}' of an ensemble")
        for tensor, name in step[side].items():
            if not name:
                _refuse(model, f"step '{step['model_name']}': {side} of '{tensor}' must name an ensemble tensor")


def _validate_graph(document: Document, steps: Sequence[Mapping[str, Any]]) -> None:
    """Every tensor has one producer, every consumer a producer, and no step waits for itself."""
    model = document["name"]
    made = Counter(name for step in steps for name in step["output_map"].values())
    made.update(tensor["name"] for tensor in document["input"])
    for name, count in made.items():
        if count > 1:
            _refuse(model, f"ensemble tensor '{name}' is produced {count} times; it may be produced once")
    needed = {name for step in steps for name in step["input_map"].values()}
    for name in sorted(needed - set(made)):
        _refuse(model, f"ensemble tensor '{name}' is used by a step but neither an input nor produced by a step")
    for tensor in document["output"]:
        if tensor["name"] not in made:
            _refuse(model, f"ensemble output '{tensor['name']}' is not produced by any step")
    for tensor in document["input"]:
        if tensor["name"] not in needed:
            _refuse(model, f"ensemble input '{tensor['name']}' is not used by any step")
    _check_acyclic(model, {tensor["name"] for tensor in document["input"]}, list(steps))


def _check_acyclic(model: str, ready: set[str], waiting: list[Mapping[str, Any]]) -> None:
    while waiting:
        runnable = [step for step in waiting if ready.issuperset(step["input_map"].values())]
        if not runnable:
            names = ", ".join(step["model_name"] for step in waiting)
            _refuse(model, f"circular dependency between ensemble steps: {names}")
        for step in runnable:
            ready.update(step["output_map"].values())
            waiting.remove(step)
