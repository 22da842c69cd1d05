"""What a valid configuration asks for and Naiad does not do: refused where answers would be wrong, listed otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.core.model.config import ModelConfig

NOT_YET = {
    "model_operations": "libraries of custom operators, which are native code",
}
"""Field → what it is for; without it the model would answer wrongly or not at all."""

BATCH_TENSORS = {
    "batch_input": "the {backend} backend makes no inputs of its own",
    "batch_output": "the {backend} backend answers each request by itself",
}
"""Fields with an effect in `MAKE_BATCH_TENSORS` alone → what they do elsewhere."""

MAKE_BATCH_TENSORS = frozenset({"onnxruntime"})
"""Backends that lay ragged inputs end to end; to others, Triton's of Python too, requests come apart."""

WITHOUT_EFFECT = {
    "model_repository_agents": "no agent looks at the files; checksums are not verified",
    "cc_model_filenames": "no file is chosen by the GPU",
}


def check_servable(config: ModelConfig) -> None:
    """Raise LoadFailed for a valid configuration that needs something which Naiad does not have yet."""
    for field, what in NOT_YET.items():
        value = config.document.get(field)
        if value or (value is not None and isinstance(value, Mapping)):
            raise LoadFailed(
                f"model '{config.name}' needs {what} ('{field}'), which Naiad does not support yet. "
                "The configuration is valid, and other models are not affected",
                model=config.name,
                field=field,
            )


def fields_without_effect(config: ModelConfig) -> list[str]:
    """Fields that are set, kept in the document and do nothing here, as `field: consequence`; for one warning each."""
    document: Mapping[str, Any] = config.document
    found = [f"{field}: {consequence}" for field, consequence in WITHOUT_EFFECT.items() if document.get(field)]
    if config.backend not in MAKE_BATCH_TENSORS:
        found += [
            f"{field}: {consequence.format(backend=config.backend)}"
            for field, consequence in BATCH_TENSORS.items()
            if document.get(field)
        ]
    optimization = document.get("optimization", {})
    accelerators = optimization.get("execution_accelerators", {})
    if any(accelerators.values()):
        found.append("optimization.execution_accelerators: ONNX Runtime runs on the CPU without them")
    if "cuda" in optimization:
        found.append("optimization.cuda: no CUDA graphs are made")
    if any(group.get("host_policy") for group in document.get("instance_group", ())):
        found.append("instance_group.host_policy: the operating system decides which cores and memory are used")
    return found
