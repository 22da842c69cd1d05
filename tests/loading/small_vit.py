"""A ViT checkpoint small enough for a test, with random weights, written without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 3,
}

LABELS = ("cat", "dog", "bird")

PROCESSOR = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}


def small_vit(folder: Path, *, classifies: bool = True, **changes: Any) -> Path:
    """Write the checkpoint and return its folder. changes: of config.json."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification" if classifies else "ViTModel"],
        **SIZES,
        **changes,
    }
    if classifies:
        config["id2label"] = dict(enumerate(LABELS))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    save_file(_weights(classifies), folder / "model.safetensors")
    return folder


def _weights(classifies: bool) -> dict[str, Any]:
    random = np.random.default_rng(11)
    hidden, inner, patch = SIZES["hidden_size"], SIZES["intermediate_size"], SIZES["patch_size"]
    prefix = "vit." if classifies else ""
    weights: dict[str, Any] = {}

    def add(name: str, *shape: int) -> None:
        weights[name] = (0.3 * random.standard_normal(shape)).astype(np.float32)

    def dense(name: str, outputs: int, inputs: int) -> None:
        add(f"{name}.weight", outputs, inputs)
        add(f"{name}.bias", outputs)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(hidden, np.float32)
        add(f"{name}.bias", hidden)

    add(f"{prefix}embeddings.cls_token", 1, 1, hidden)
    add(f"{prefix}embeddings.position_embeddings", 1, 1 + (SIZES["image_size"] // patch) ** 2, hidden)
    add(f"{prefix}embeddings.patch_embeddings.projection.weight", hidden, 3, patch, patch)
    add(f"{prefix}embeddings.patch_embeddings.projection.bias", hidden)
    for number in range(SIZES["num_hidden_layers"]):
        layer = f"{prefix}encoder.layer.{number}"
        for part in ("query", "key", "value"):
            dense(f"{layer}.attention.attention.{part}", hidden, hidden)
        dense(f"{layer}.attention.output.dense", hidden, hidden)
        dense(f"{layer}.intermediate.dense", inner, hidden)
        dense(f"{layer}.output.dense", hidden, inner)
        norm(f"{layer}.layernorm_before")
        norm(f"{layer}.layernorm_after")
    norm(f"{prefix}layernorm")
    if classifies:
        dense("classifier", len(LABELS), hidden)
    return weights
