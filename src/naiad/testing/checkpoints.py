"""A checkpoint small enough for a test: a real BERT with random weights, a real tokenizer, a few hundred kilobytes.

What it computes means nothing, but it goes every way that a large one goes: conversion, cache, tokeniser, packing.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np

HEADS = {
    "embedding": "BertModel",
    "sequence-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
    "question-answering": "BertForQuestionAnswering",
    "masked-lm": "BertForMaskedLM",
}
"""Head and the class of transformers that has it."""

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}

_WORDS = "the a is of in and to who what where hello world good bad movie city river name my live"
_VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS.split(), *string.ascii_lowercase, *string.digits, *".,!?'-",
    *(f"##{char}" for char in string.ascii_lowercase + string.digits),
]  # fmt: skip


def tiny_checkpoint(folder: Path, *, head: str = "embedding", labels: tuple[str, ...] = ("no", "yes")) -> Path:
    """Write the checkpoint into `folder` (made if need be) and return it.

    head: a key of HEADS; an embedding checkpoint carries sentence-transformers files (mean pooling, normalised).
    labels: of the two classification heads. The same arguments always give the same bytes.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    words = list(dict.fromkeys(_VOCABULARY))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    _write(
        folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": SIZES["max_position_embeddings"]}
    )
    config: dict[str, Any] = {
        "model_type": "bert",
        "architectures": [HEADS[head]],
        "vocab_size": len(words),
        **SIZES,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    if head.endswith("-classification"):
        config["id2label"] = dict(enumerate(labels))
        config["label2id"] = {label: number for number, label in enumerate(labels)}
    _write(folder / "config.json", config)
    if head == "embedding":
        _write_sentence_modules(folder)
    save_file(_weights(head, len(words), len(labels)), folder / "model.safetensors")
    return folder


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def _write_sentence_modules(folder: Path) -> None:
    kinds = ("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")
    modules = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (path, kind) in enumerate(kinds)
    ]
    _write(folder / "modules.json", modules)
    pooling = {"word_embedding_dimension": SIZES["hidden_size"], "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 32})


def _weights(head: str, words: int, labels: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Random weights under the names that transformers gives them."""
    source = np.random.default_rng(7)
    hidden, inner = SIZES["hidden_size"], SIZES["intermediate_size"]
    prefix = "" if head == "embedding" else "bert."
    weights: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def matrix(name: str, *shape: int) -> None:
        weights[name] = (source.standard_normal(shape) * 0.2).astype(np.float32)

    def dense(name: str, outputs: int, inputs: int) -> None:
        matrix(f"{name}.weight", outputs, inputs)
        matrix(f"{name}.bias", outputs)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(hidden, np.float32)
        weights[f"{name}.bias"] = np.zeros(hidden, np.float32)

    embeddings = f"{prefix}embeddings"
    matrix(f"{embeddings}.word_embeddings.weight", words, hidden)
    matrix(f"{embeddings}.position_embeddings.weight", SIZES["max_position_embeddings"], hidden)
    matrix(f"{embeddings}.token_type_embeddings.weight", SIZES["type_vocab_size"], hidden)
    norm(f"{embeddings}.LayerNorm")
    for number in range(SIZES["num_hidden_layers"]):
        layer = f"{prefix}encoder.layer.{number}"
        for part in ("query", "key", "value"):
            dense(f"{layer}.attention.self.{part}", hidden, hidden)
        dense(f"{layer}.attention.output.dense", hidden, hidden)
        norm(f"{layer}.attention.output.LayerNorm")
        dense(f"{layer}.intermediate.dense", inner, hidden)
        dense(f"{layer}.output.dense", hidden, inner)
        norm(f"{layer}.output.LayerNorm")
    if head == "sequence-classification":
        dense(f"{prefix}pooler.dense", hidden, hidden)
    if head == "masked-lm":
        dense("cls.predictions.transform.dense", hidden, hidden)
        norm("cls.predictions.transform.LayerNorm")
        matrix("cls.predictions.bias", words)
    elif head == "question-answering":
        dense("qa_outputs", 2, hidden)
    elif head != "embedding":
        dense("classifier", labels, hidden)
    return weights
