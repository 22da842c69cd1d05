"""The document as the frozen dataclasses that the rest of Naiad reads; for documents that are validated already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.core.model_config import (
    BatchInput,
    BatchOutput,
    DynamicBatching,
    InstanceGroup,
    ModelConfig,
    QueuePolicy,
    TensorConfig,
)
from naiad.modelconfig.batch_cost import read_batch_cost
from naiad.modelconfig.schema import Document

MICROSECOND = 1e-6


def typed_config(document: Document) -> ModelConfig:
    """View a normalised, validated document."""
    batching = document.get("dynamic_batching")
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
        instance_groups=tuple(
            InstanceGroup(group["name"], group["kind"], group["count"], group["passive"])
            for group in document["instance_group"]
        ),
        default_model_filename=document["default_model_filename"],
        parameters={key: value["string_value"] for key, value in document["parameters"].items()},
        is_decoupled=document.get("model_transaction_policy", {}).get("decoupled", False),
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
