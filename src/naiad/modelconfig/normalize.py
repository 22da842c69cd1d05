"""The defaults that depend on other fields, so that the document says what the server will do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import ModelConfig
from naiad.modelconfig.layout import ENSEMBLE
from naiad.modelconfig.schema import Document
from naiad.modelconfig.syntax import parse_json
from naiad.modelconfig.typed import typed_config
from naiad.modelconfig.validate import validate

# Triton's default number of instances where the runtime waits on itself often enough for a second one to pay.
CPU_INSTANCE_COUNTS = {"onnxruntime": 2, "tensorflow": 2}


class GpuKind(Enum):
    """What becomes of instance groups of KIND_GPU."""

    REFUSED = "refused"
    CPU = "they run on the CPU"
    GPU = "they run on a GPU"


def finish(
    document: Mapping[str, Any],
    *,
    model_dir: Path | None = None,
    gpu_kind: GpuKind = GpuKind.REFUSED,
) -> ModelConfig:
    """Normalise, validate and view a document as a ModelConfig; called after the backend has completed it.

    model_dir: with it, files named in the document must exist inside. Raises InvalidConfiguration.
    """
    normal = normalize(document, gpu_kind=gpu_kind)
    validate(normal, model_dir)
    return typed_config(normal)


def normalize(document: Mapping[str, Any], *, gpu_kind: GpuKind = GpuKind.REFUSED) -> Document:
    """Return the document as `GET /v2/models/M/config` prints it; the given one is not changed.

    Raises InvalidConfiguration.
    """
    normal = parse_json(document, f"model '{document.get('name', '')}'")
    normal.setdefault("version_policy", {"latest": {"num_versions": 1}})
    if "ensemble_scheduling" in normal or normal["platform"] == ENSEMBLE:
        return normal
    optimization = normal.setdefault("optimization", {})
    optimization.setdefault("input_pinned_memory", {"enable": True})
    optimization.setdefault("output_pinned_memory", {"enable": True})
    _normalize_scheduling(normal)
    groups = normal["instance_group"] = normal["instance_group"] or [{}]
    for index, group in enumerate(groups):
        _normalize_group(normal, group, index, gpu_kind)
    return parse_json(normal)


def _normalize_scheduling(normal: Document) -> None:
    sequence = normal.get("sequence_batching", {})
    for batching in (normal.get("dynamic_batching"), sequence.get("oldest")):
        if batching is not None and not batching["preferred_batch_size"] and normal["max_batch_size"] > 0:
            batching["preferred_batch_size"] = [normal["max_batch_size"]]
    if sequence and not sequence["max_sequence_idle_microseconds"]:
        sequence["max_sequence_idle_microseconds"] = 1_000_000


def _normalize_group(normal: Document, group: dict[str, Any], index: int, gpu_kind: GpuKind) -> None:
    model = normal["name"]
    if not group.get("name"):
        # A group that the configuration does not list bears the model's own name.
        group["name"] = f"{model}_{index}" if group else model
    kind = group.setdefault("kind", "KIND_AUTO")
    if kind == "KIND_GPU" and gpu_kind is GpuKind.REFUSED:
        raise InvalidConfiguration(
            f"instance group {group['name']} of model {model} has kind KIND_GPU but server does not support GPUs",
            model=model,
        )
    if kind == "KIND_GPU" and gpu_kind is GpuKind.GPU:
        group["gpus"] = group.get("gpus") or [0]
    elif kind in {"KIND_AUTO", "KIND_GPU"}:
        group["kind"] = "KIND_CPU"
        if gpu_kind is GpuKind.CPU:
            group["gpus"] = []
    if not group.get("count"):
        is_cpu = group["kind"] == "KIND_CPU"
        group["count"] = CPU_INSTANCE_COUNTS.get(normal["backend"], 1) if is_cpu else 1
