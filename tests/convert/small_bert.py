"""A BERT of random weights, as a checkpoint folder and as thirty lines of numpy to compare with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from naiad.backends.registry import ENCODERS, find_backend
from naiad.convert.cache import Converted
from naiad.core.contracts import Batch, Instances, LoadRequest
from naiad.core.encoding.encoder import EncoderItem, EncoderResult, TextTokens
from naiad.core.encoding.files import EncoderFiles
from naiad.core.tensor import Array

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, POSITIONS = 24, 2, 3, 40, 60, 160

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "hidden_act": "relu",
    "layer_norm_eps": 1e-6,
    "pad_token_id": 0,
}

Weights = dict[str, Array]


def random_weights(seed: int = 0) -> Weights:
    """Every weight of the body, by its name without a prefix."""
    random = np.random.default_rng(seed)
    weights: Weights = {}

    def add(name: str, *shape: int, around: float = 0.0) -> None:
        weights[name] = (around + 0.3 * random.standard_normal(shape)).astype(np.float32)

    def add_dense(name: str, outputs: int, inputs: int) -> None:
        add(f"{name}.weight", outputs, inputs)
        add(f"{name}.bias", outputs)

    def add_norm(name: str) -> None:
        add(f"{name}.weight", HIDDEN, around=1.0)
        add(f"{name}.bias", HIDDEN)

    for table, rows in (("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)):
        add(f"embeddings.{table}_embeddings.weight", rows, HIDDEN)
    add_norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            add_dense(f"{prefix}.attention.self.{name}", HIDDEN, HIDDEN)
        add_dense(f"{prefix}.attention.output.dense", HIDDEN, HIDDEN)
        add_norm(f"{prefix}.attention.output.LayerNorm")
        add_dense(f"{prefix}.intermediate.dense", INNER, HIDDEN)
        add_dense(f"{prefix}.output.dense", HIDDEN, INNER)
        add_norm(f"{prefix}.output.LayerNorm")
    return weights


def write_checkpoint(folder: Path, weights: Weights, config: Mapping[str, Any] = CONFIG, prefix: str = "") -> Path:
    """Write config.json and model.safetensors; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({prefix + name: array for name, array in weights.items()}, folder / "model.safetensors")
    return folder


def write_modules(folder: Path, *modules: tuple[str, dict[str, Any]], body: str = "") -> None:
    """Write sentence-transformers' modules.json, a Transformer in `body` first, and a config.json for each module.

    A module is named by its full class, or in short by that of the library's version 5.
    """
    listed = [{"idx": 0, "name": "0", "path": body, "type": "sentence_transformers.models.Transformer"}]
    for number, (kind, config) in enumerate(modules, 1):
        path = f"{number}_{kind.rpartition('.')[2]}"
        full = kind if "." in kind else f"sentence_transformers.models.{kind}"
        listed.append({"idx": number, "name": str(number), "path": path, "type": full})
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(listed))


def hidden_states(weights: Weights, item: TextTokens) -> Array:
    """The last hidden state of one text, (tokens, hidden), computed the plainest way."""

    def dense(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Array, name: str) -> Array:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    types = np.zeros(item.tokens, np.int64) if item.type_ids is None else item.type_ids
    x = weights["embeddings.word_embeddings.weight"][item.input_ids]
    x = x + weights["embeddings.token_type_embeddings.weight"][types]
    x = norm(x + weights["embeddings.position_embeddings.weight"][: item.tokens], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        query, key, value = (
            dense(x, f"{prefix}.attention.self.{name}").reshape(item.tokens, HEADS, -1).transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        joined = mixed.transpose(1, 0, 2).reshape(item.tokens, HIDDEN)
        x = norm(x + dense(joined, f"{prefix}.attention.output.dense"), f"{prefix}.attention.output.LayerNorm")
        inner = np.maximum(dense(x, f"{prefix}.intermediate.dense"), 0)
        x = norm(x + dense(inner, f"{prefix}.output.dense"), f"{prefix}.output.LayerNorm")
    return x


def texts(*lengths: int, outputs: tuple[str, ...] = ("embedding", "last_hidden_state")) -> list[TextTokens]:
    """Random tokenized texts of these lengths, with type ids on every second one."""
    random = np.random.default_rng(sum(lengths))
    return [
        TextTokens(
            random.integers(0, VOCABULARY, length), outputs, random.integers(0, 2, length) if number % 2 else None
        )
        for number, length in enumerate(lengths)
    ]


def serve(converted: Converted, count: int = 1, wide_threads: int = 1) -> Instances[EncoderItem]:
    """Load a graph as the server does."""
    files = EncoderFiles(converted.graph, converted.spec, converted.graph.parent)
    names = tuple(f"m_{number}" for number in range(count))
    return find_backend(ENCODERS).load(LoadRequest(files, names, wide_threads=wide_threads))


def run(encoder: Any, items: list[TextTokens]) -> list[EncoderResult]:
    """Run in one batch; every one must succeed."""
    results = encoder.execute(Batch(items))
    assert len(items) == len(results)
    assert [result for result in results if isinstance(result, Exception)] == []
    return [result for result in results if isinstance(result, dict)]
