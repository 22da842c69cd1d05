"""Contradictions within `sequence_batching`: its strategy, the controls that a model is told of, and its states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document
from naiad.modelconfig.validate_scheduling import validate_preferred

BOOLEAN_CONTROLS = ("CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_END", "CONTROL_SEQUENCE_READY")
CORRELATION_TYPES = ("TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32", "TYPE_STRING")
VALUES = ("int32_false_true", "fp32_false_true", "bool_false_true")


def validate_sequences(document: Document) -> None:
    """Check `sequence_batching` of a normalised document, if it has that. Raises InvalidConfiguration."""
    model, batching = document["name"], document.get("sequence_batching")
    if batching is None:
        return
    oldest, max_batch_size = batching.get("oldest", {}), document["max_batch_size"]
    if oldest.get("max_candidate_sequences", 0) < 0:
        _refuse(model, "sequence batching max_candidate_sequences must not be negative")
    sizes = oldest.get("preferred_batch_size", [])
    validate_preferred(model, "sequence batching preferred batch size", sizes, max_batch_size)
    utilization = batching.get("direct", {}).get("minimum_slot_utilization", 0.0)
    if not isinstance(utilization, int | float) or not 0.0 <= utilization <= 1.0:
        reason = f"sequence batching minimum slot utilization must be in range (0.0, 1.0] for {model}"
        refuse(model, reason, f"it is {utilization}")
    names = [control["name"] for control in batching["control_input"]]
    for name, count in Counter(names).items():
        if not name:
            refuse(model, f"sequence batching control tensor must have a name for {model}")
        if count > 1:
            refuse(
                model,
                f"sequence batching control tensor '{name}' is specified for multiple control kinds for {model}",
            )
    _validate_controls(model, batching["control_input"])
    _validate_states(model, batching["state"])


def _validate_controls(model: str, control_inputs: Sequence[Mapping[str, Any]]) -> None:
    kinds = Counter(control["kind"] for tensor in control_inputs for control in tensor["control"])
    for kind, count in kinds.items():
        if count > 1:
            refuse(model, f"sequence batching specifies multiple {kind} tensors for {model}")
    for tensor in control_inputs:
        if len(tensor["control"]) != 1:
            _refuse(model, f"sequence batching control tensor '{tensor['name']}' needs exactly one control")
        _validate_control(model, tensor["control"][0])


def _validate_control(model: str, control: Mapping[str, Any]) -> None:
    given, kind = [field for field in VALUES if control[field]], control["kind"]
    either, which = "'int32_false_true', 'fp32_false_true' or 'bool_false_true'", f"for {kind} for {model}"
    if kind not in BOOLEAN_CONTROLS:
        if given:
            refuse(model, f"sequence batching must not specify either {either} {which}")
        if control["data_type"] not in CORRELATION_TYPES:
            allowed = f"{', '.join(CORRELATION_TYPES[:-1])} and {CORRELATION_TYPES[-1]}"
            refuse(model, f"unexpected data type for control {kind} for {model}. Allowed data types are {allowed}")
        return
    if not given:
        refuse(model, f"sequence batching must specify either {either} {which}")
    if len(given) > 1:
        refuse(model, f"sequence batching specifies more than one from {either.replace(' or ', ' and ')} {which}")
    if len(control[given[0]]) != 2:
        refuse(model, f"sequence batching control '{given[0]}' must have exactly 2 entries {which}")


def _validate_states(model: str, states: Sequence[Mapping[str, Any]]) -> None:
    for side in ("input_name", "output_name"):
        for name, count in Counter(state[side] for state in states).items():
            if not name or count > 1:
                _refuse(model, f"sequence batching state needs its own {side}; '{name}' is used {count} times")
    for state in states:
        _validate_state(model, f"sequence batching state '{state['input_name']}'", state)


def _validate_state(model: str, where: str, state: Mapping[str, Any]) -> None:
    name = state["input_name"]
    if state["data_type"] not in BY_CONFIG_NAME:
        _refuse(model, f"{where} must specify 'data_type', one of {', '.join(BY_CONFIG_NAME)}")
    if not state["dims"] or any(dim < 1 and dim != -1 for dim in state["dims"]):
        _refuse(model, f"{where} must specify 'dims', integers >= 1, or -1 for a variable-size dimension")
    if state["use_growable_memory"] and not state["use_same_buffer_for_input_output"]:
        _refuse(
            model,
            "In order to 'use_growable_memory', you must also enable 'use_same_buffer_for_input_output' for state "
            f"input name '{name}'.",
        )
    if len(state["initial_state"]) > 1:
        _refuse(model, f"{where} may have only one initial_state")
    for initial in state["initial_state"]:
        _validate_initial(model, name, state, initial)


def _validate_initial(model: str, name: str, state: Mapping[str, Any], initial: Mapping[str, Any]) -> None:
    """In Triton's words, as far as it has them."""
    if initial["data_type"] != state["data_type"]:
        _refuse(
            model,
            f"The data type used for 'initial_state' field of state '{name}' does not match the state data type.",
        )
    if not initial["name"]:
        _refuse(model, f"Field 'name' must be set when using initial_state for state input '{name}'.")
    dims, wanted = [int(dim) for dim in initial["dims"]], state["dims"]
    if len(dims) != len(wanted):
        _refuse(
            model,
            "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input "
            f"'{name}'. {len(dims)} != {len(wanted)}",
        )
    for dim, allowed in zip(dims, wanted, strict=True):
        if dim < 0:
            _refuse(model, f"'initial_state' field for state input name '{name}' contains variable dimensions.")
        if allowed not in (-1, dim):
            _refuse(
                model,
                f"'initial_state' dim for input name '{name}' doesn't match 'state' dim description. "
                f"{dim} != {allowed}",
            )
    if "zero_data" not in initial and not initial.get("data_file"):
        _refuse(model, f"initial_state setting expects state'{name}' to have state_data set")


def _refuse(model: str, reason: str) -> NoReturn:
    refuse(model, f"model '{model}': {reason}")
