"""Contradictions in how many instances there are, and where; called by `validate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.machine.cores import most_instances
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.refusing import refuse
from naiad.modelconfig.schema import Document

TENSORRT = "tensorrt_plan"
"""The platform whose models have profiles."""


def validate_groups(document: Document) -> None:
    """Check the instance groups of a normalised document. Raises InvalidConfiguration."""
    if document["platform"] == ENSEMBLE:
        return
    model, names = document["name"], set()
    for group in document["instance_group"]:
        if group["name"] in names:
            refuse(model, f"instance group name '{group['name']}' of model {model} is used more than once")
        names.add(group["name"])
        _validate_group(document, group)
    count, most = sum(group["count"] for group in document["instance_group"]), most_instances()
    if count > most:
        reason = f"the instance groups of model {model} have a count of {count} together"
        refuse(model, f"{reason}, this machine allows {most}", "lower it")
    if all(group["passive"] for group in document["instance_group"]):
        refuse(model, f"every instance group of model {model} is passive, so that no instance would take requests")


def _validate_group(document: Document, group: Mapping[str, Any]) -> None:
    model, platform, kind = document["name"], document["platform"], group["kind"]
    where = f"instance group {group['name']} of model {model}"
    if group["count"] < 1:
        refuse(model, f"{where} must have count >= 1, it has {group['count']}")
    if kind not in {"KIND_CPU", "KIND_MODEL", "KIND_GPU"}:
        refuse(model, f"{where} has unknown kind {kind}")
    if kind != "KIND_GPU" and group["gpus"]:
        refuse(model, f"{where} has kind {kind} but specifies one or more GPUs", "remove 'gpus'")
    if len(group["gpus"]) > 1:
        refuse(model, f"{where} names {len(group['gpus'])} GPUs, which Naiad does not support", "make a group for each")
    if kind != "KIND_GPU" and group["secondary_devices"]:
        refuse(model, f"{where} has secondary devices, which needs kind KIND_GPU")
    if group["profile"] and platform != TENSORRT:
        reason = f"{where} and platform {platform}".rstrip()
        refuse(model, f"{reason} specifies profile field which is only supported for TensorRT models")
