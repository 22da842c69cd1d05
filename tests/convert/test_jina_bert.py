"""JinaBERT v2 in both published forms, against the same in plain numpy: its own code is no part of transformers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_bert import run

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.encoder.bodies.alibi import slopes_of
from naiad.convert.opening import open_encoder
from naiad.core.encoding.encoder import TextTokens
from naiad.core.errors import Unsupported
from naiad.core.tensor import Array

HIDDEN, LAYERS, HEADS, INNER, VOCABULARY, LABELS = 30, 3, 5, 44, 60, 3

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["JinaBertModel"],
    "auto_map": {"AutoModel": "modeling_bert.JinaBertModel"},
    "position_embedding_type": "alibi",
    "feed_forward_type": "geglu",
    "hidden_act": "gelu",
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "emb_pooler": "mean",
    "id2label": {"0": "a", "1": "b", "2": "c"},
}

LENGTHS = (7, 1, 31, 2, 64, 13, 120)

TOLERANCE = 1e-4

Weights = dict[str, Array]


def random_weights(*, later: bool) -> Weights:
    random = np.random.default_rng(3)
    weights: Weights = {}

    def add(name: str, *shape: int, around: float = 0.0) -> None:
        weights[name] = (around + 0.25 * random.standard_normal(shape)).astype(np.float32)

    def dense(name: str, outputs: int, inputs: int, *, bias: bool = True) -> None:
        add(f"{name}.weight", outputs, inputs)
        if bias:
            add(f"{name}.bias", outputs)

    def norm(name: str) -> None:
        add(f"{name}.weight", HIDDEN, around=1.0)
        add(f"{name}.bias", HIDDEN)

    add("embeddings.word_embeddings.weight", VOCABULARY, HIDDEN)
    add("embeddings.token_type_embeddings.weight", 2, HIDDEN)
    norm("embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            dense(f"{prefix}.attention.self.{name}", HIDDEN, HIDDEN)
        dense(f"{prefix}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{prefix}.attention.output.LayerNorm")
        dense(f"{prefix}.mlp.{'up_gated_layer' if later else 'gated_layers'}", 2 * INNER, HIDDEN, bias=False)
        dense(f"{prefix}.mlp.{'down_layer' if later else 'wo'}", HIDDEN, INNER)
        for name in (
            ("attention.self.layer_norm_q", "attention.self.layer_norm_k", "layer_norm_1", "layer_norm_2")
            if later
            else ("mlp.layernorm",)
        ):
            norm(f"{prefix}.{name}")
    dense("pooler.dense", HIDDEN, HIDDEN)
    return weights


def reference(weights: Weights, ids: Array, *, later: bool) -> Array:
    """The last hidden state of one text, (tokens, hidden), one step after the other."""

    def dense(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", np.float32(0))

    def norm(x: Array, name: str) -> Array:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x: Array) -> Array:
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2

    def attention(x: Array, prefix: str) -> Array:
        query, key, value = (dense(x, f"{prefix}.self.{name}") for name in ("query", "key", "value"))
        if later:
            query, key = norm(query, f"{prefix}.self.layer_norm_q"), norm(key, f"{prefix}.self.layer_norm_k")
        places = np.arange(len(x))
        mixed = []
        for head, slope in enumerate((2**-2, 2**-4, 2**-6, 2**-8, 2**-1)):
            part = slice(head * HIDDEN // HEADS, (head + 1) * HIDDEN // HEADS)
            scores = query[:, part] @ key[:, part].T / math.sqrt(HIDDEN // HEADS)
            scores = np.exp(scores - slope * np.abs(places[:, None] - places))
            mixed.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
        return norm(dense(np.concatenate(mixed, axis=1), f"{prefix}.output.dense") + x, f"{prefix}.output.LayerNorm")

    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        attended = attention(x, f"{prefix}.attention")
        if later:
            x = norm(x + attended, f"{prefix}.layer_norm_1")
            up, gate = np.split(dense(x, f"{prefix}.mlp.up_gated_layer"), 2, axis=1)
            x = norm(x + dense(up * gelu(gate), f"{prefix}.mlp.down_layer"), f"{prefix}.layer_norm_2")
        else:
            gate, up = np.split(dense(attended, f"{prefix}.mlp.gated_layers"), 2, axis=1)
            x = norm(dense(gelu(gate) * up, f"{prefix}.mlp.wo") + attended, f"{prefix}.mlp.layernorm")
    return x


def write(folder: Path, weights: Weights, prefix: str = "", **changes: Any) -> Path:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    heads = ("classifier.", "cls.")
    save_file(
        {name if name.startswith(heads) else prefix + name: array for name, array in weights.items()},
        folder / "model.safetensors",
    )
    return folder


def texts(*outputs: str) -> list[TextTokens]:
    random = np.random.default_rng(4)
    return [TextTokens(random.integers(0, VOCABULARY, length), outputs) for length in LENGTHS]


def answers(folder: Path, items: list[TextTokens], quantize: str = "none") -> Any:
    converted = convert_checkpoint(folder, quantize=quantize)
    return run(open_encoder(converted.graph, converted.spec), items)


@pytest.mark.parametrize("later", [False, True])
def test_embeddings(later: bool, tmp_path: Path) -> None:
    weights = random_weights(later=later)
    items = texts("embedding", "last_hidden_state")
    for item, result in zip(items, answers(write(tmp_path, weights), items), strict=True):
        states = reference(weights, item.input_ids, later=later)
        assert np.abs(states - result["last_hidden_state"]).max() <= TOLERANCE
        assert np.abs(states.mean(axis=0) - result["embedding"]).max() <= TOLERANCE


@pytest.mark.parametrize("later", [False, True])
def test_a_reranker(later: bool, tmp_path: Path) -> None:
    """jina-reranker-v1: BERT's pooler and one logit."""
    weights = random_weights(later=later)
    head = {"classifier.weight": np.ones((1, HIDDEN), np.float32), "classifier.bias": np.ones(1, np.float32)}
    folder = write(
        tmp_path,
        {**weights, **head},
        prefix="bert.",
        architectures=["JinaBertForSequenceClassification"],
        id2label={"0": "LABEL_0"},
    )
    items = texts("logits")
    for item, result in zip(items, answers(folder, items), strict=True):
        first = reference(weights, item.input_ids, later=later)[0]
        pooled = np.tanh(first @ weights["pooler.dense.weight"].T + weights["pooler.dense.bias"])
        assert np.abs(pooled.sum() + 1 - result["logits"]).max() <= TOLERANCE


def test_the_class_alone_tells(tmp_path: Path) -> None:
    """With `position_embedding_type` left at BERT's, JinaBERT's code has both: a table of positions, and slopes."""
    weights = random_weights(later=False)
    weights["embeddings.position_embeddings.weight"] = np.zeros((128, HIDDEN), np.float32)
    items = texts("last_hidden_state")
    folder = write(tmp_path, weights, position_embedding_type="absolute")
    for item, result in zip(items, answers(folder, items), strict=True):
        states = reference(weights, item.input_ids, later=False)
        assert np.abs(states - result["last_hidden_state"]).max() <= TOLERANCE


@pytest.mark.parametrize("later", [False, True])
def test_int8_does_not_depend_on_company(later: bool, tmp_path: Path) -> None:
    folder = write(tmp_path, random_weights(later=later))
    items = texts("embedding")
    together = answers(folder, items, "int8")
    for item, exact, rounded in zip(items, answers(folder, items), together, strict=True):
        (alone,) = answers(folder, [item], "int8")
        assert np.abs(alone["embedding"] - rounded["embedding"]).max() <= 1e-6
        one, other = exact["embedding"], rounded["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


def test_a_feed_forward_that_is_not_gated(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="feed_forward_type='original'"):
        convert_checkpoint(write(tmp_path, random_weights(later=False), feed_forward_type="original"))


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (8, [2.0**-n for n in range(1, 9)]),
        (12, [*(2.0**-n for n in range(1, 9)), *(2 ** -(n / 2) for n in (1, 3, 5, 7))]),
    ],
)
def test_slopes(heads: int, expected: list[float]) -> None:
    assert np.allclose(slopes_of(heads), expected, rtol=1e-6)
