"""The document as the frozen dataclasses that the rest of Naiad reads; for documents that are validated already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.core.model.config import (
    BatchInput,
    BatchOutput,
    DynamicBatching,
    InstanceGroup,
    ModelConfig,
    QueuePolicy,
    RateLimit,
    RateResource,
    TensorConfig,
)
from naiad.core.model.sequences import OldestFirst, SequenceBatching, SequenceControl, SequenceState
from naiad.modelconfig.batch_cost import read_batch_cost
from naiad.modelconfig.ensemble.steps import read_ensemble
from naiad.modelconfig.schema import Document

MICROSECOND = 1e-6


def typed_config(document: Document) -> ModelConfig:
    """View a normalised, validated document."""
    batching, sequences = document.get("dynamic_batching"), document.get("sequence_batching")
    return ModelConfig(
        name=document["name"],
        platform=document["platform"],
        backend=document["backend"],
        max_batch_size=document["max_batch_size"],
        inputs=tuple(_tensor(tensor) for tensor in document["input"]),
        outputs=tuple(_tensor(tensor) for tensor in document["output"]),
        batch_inputs=tuple(_batch_input(entry) for entry in document["batch_input"]),
        batch_outputs=tuple(_batch_output(entry) for entry in document["batch_output"]),
        dynamic_batching=None if batching is None else _dynamic_batching(batching),
        batch_cost=read_batch_cost(document),
        sequence_batching=None if sequences is None else _sequence_batching(sequences),
        instance_groups=tuple(_instance_group(group) for group in document["instance_group"]),
        default_model_filename=document["default_model_filename"],
        parameters={key: value["string_value"] for key, value in document["parameters"].items()},
        is_decoupled=document.get("model_transaction_policy", {}).get("decoupled", False),
        ensemble=read_ensemble(document),
        uses_response_cache=document.get("response_cache", {}).get("enable", False),
        document=document,
    )


def _tensor(tensor: Mapping[str, Any]) -> TensorConfig:
    reshape = tensor.get("reshape")
    return TensorConfig(
        name=tensor["name"],
        datatype=BY_CONFIG_NAME[tensor["data_type"]].name,
        dims=tuple(tensor["dims"]),
        reshape=None if reshape is None else tuple(reshape["shape"]),
        optional=tensor.get("optional", False),
        is_ragged=tensor.get("allow_ragged_batch", False),
        label_filename=tensor.get("label_filename", ""),
    )


def _batch_input(entry: Mapping[str, Any]) -> BatchInput:
    datatype = BY_CONFIG_NAME[entry["data_type"]].name
    return BatchInput(entry["kind"], tuple(entry["target_name"]), datatype, entry["source_input"][0])


def _batch_output(entry: Mapping[str, Any]) -> BatchOutput:
    return BatchOutput(tuple(entry["target_name"]), entry["source_input"][0])


def _instance_group(group: Mapping[str, Any]) -> InstanceGroup:
    limiter = group.get("rate_limiter", {"resources": (), "priority": 0})
    resources = tuple(RateResource(one["name"], one["count"], one["global"]) for one in limiter["resources"])
    rate_limit = RateLimit(resources, limiter["priority"])
    gpu = group["gpus"][0] if group["kind"] == "KIND_GPU" else None
    return InstanceGroup(group["name"], group["kind"], group["count"], group["passive"], rate_limit, gpu)


def _dynamic_batching(batching: Mapping[str, Any]) -> DynamicBatching:
    policies = batching["priority_queue_policy"].items()
    return DynamicBatching(
        preferred_batch_sizes=tuple(batching["preferred_batch_size"]),
        max_queue_delay_s=batching["max_queue_delay_microseconds"] * MICROSECOND,
        preserves_ordering=batching["preserve_ordering"],
        priority_levels=batching["priority_levels"],
        default_priority_level=batching["default_priority_level"],
        default_queue_policy=_queue_policy(batching.get("default_queue_policy")),
        priority_queue_policies={int(level): _queue_policy(policy) for level, policy in policies},
    )


def _queue_policy(policy: Mapping[str, Any] | None) -> QueuePolicy:
    if policy is None:
        return QueuePolicy()
    return QueuePolicy(
        delays_on_timeout=policy["timeout_action"] == "DELAY",
        default_timeout_s=policy["default_timeout_microseconds"] * MICROSECOND,
        allows_timeout_override=policy["allow_timeout_override"],
        max_queue_size=policy["max_queue_size"],
    )


BOOLEAN_TYPES = {"int32_false_true": "INT32", "fp32_false_true": "FP32", "bool_false_true": "BOOL"}
"""Field with the two values of a control → its datatype."""


def _sequence_batching(batching: Mapping[str, Any]) -> SequenceBatching:
    direct, oldest = batching.get("direct", {}), batching.get("oldest")
    return SequenceBatching(
        controls=tuple(_control(tensor["name"], tensor["control"][0]) for tensor in batching["control_input"]),
        states=tuple(_state(state) for state in batching["state"]),
        max_idle_s=batching["max_sequence_idle_microseconds"] * MICROSECOND,
        oldest=None if oldest is None else _oldest(oldest),
        max_queue_delay_s=direct.get("max_queue_delay_microseconds", 0) * MICROSECOND,
        minimum_slot_utilization=direct.get("minimum_slot_utilization", 0.0),
        is_iterative=batching["iterative_sequence"],
    )


def _control(name: str, control: Mapping[str, Any]) -> SequenceControl:
    kind = control["kind"].removeprefix("CONTROL_SEQUENCE_")
    for field, datatype in BOOLEAN_TYPES.items():
        if control[field]:
            return SequenceControl(name, kind, datatype, tuple(control[field]))
    return SequenceControl(name, kind, BY_CONFIG_NAME[control["data_type"]].name)


def _oldest(oldest: Mapping[str, Any]) -> OldestFirst:
    return OldestFirst(
        max_candidates=oldest["max_candidate_sequences"],
        preferred_batch_sizes=tuple(oldest["preferred_batch_size"]),
        max_queue_delay_s=oldest["max_queue_delay_microseconds"] * MICROSECOND,
        preserves_ordering=oldest["preserve_ordering"],
    )


def _state(state: Mapping[str, Any]) -> SequenceState:
    initial = state["initial_state"][0] if state["initial_state"] else None
    return SequenceState(
        input_name=state["input_name"],
        output_name=state["output_name"],
        datatype=BY_CONFIG_NAME[state["data_type"]].name,
        dims=tuple(state["dims"]),
        initial_dims=None if initial is None else tuple(int(dim) for dim in initial["dims"]),
        initial_file="" if initial is None else initial.get("data_file", ""),
        uses_same_buffer=state["use_same_buffer_for_input_output"],
        is_growable=state["use_growable_memory"],
    )
