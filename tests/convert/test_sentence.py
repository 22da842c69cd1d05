"""Pooling, dense layers and normalisation as a sentence-transformers folder describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_bert import CONFIG, HIDDEN, hidden_states, random_weights, run, sequences, write_checkpoint, write_modules

from naiad.backends.onnxruntime.packed import PackedEncoder
from naiad.backends.onnxruntime.pooling import pool
from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported

LENGTHS = (5, 1, 33, 12)

FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def embeddings(folder: Path) -> list[Any]:
    converted = convert_checkpoint(folder)
    encoder = PackedEncoder.open(converted.graph, converted.spec)
    return [result["embedding"] for result in run(encoder, sequences(*LENGTHS))]


def expected(pooling: str) -> list[Any]:
    weights = random_weights()
    return [pool(hidden_states(weights, item), pooling) for item in sequences(*LENGTHS)]


@pytest.mark.parametrize("pooling", FLAGS)
def test_each_pooling(pooling: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, ("Pooling", {flag: mode == pooling for mode, flag in FLAGS.items()}))
    for wanted, got in zip(expected(pooling), embeddings(tmp_path), strict=True):
        assert np.abs(wanted - got).max() <= 2e-5


def test_poolings_are_joined(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, ("Pooling", {FLAGS["mean"]: True, FLAGS["cls"]: True}))
    for wanted, got in zip(expected("cls+mean"), embeddings(tmp_path), strict=True):
        assert wanted.shape == got.shape == (2 * HIDDEN,)
        assert np.abs(wanted - got).max() <= 2e-5


def test_the_newer_spelling(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, ("Pooling", {"pooling_mode": "cls"}))
    assert np.abs(np.stack(expected("cls")) - np.stack(embeddings(tmp_path))).max() <= 2e-5


def test_without_modules_the_mean(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    assert np.abs(np.stack(expected("mean")) - np.stack(embeddings(tmp_path))).max() <= 2e-5


def test_dense_and_normalize(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    matrix = random.standard_normal((7, HIDDEN)).astype(np.float32)
    bias = random.standard_normal(7).astype(np.float32)
    write_checkpoint(tmp_path, random_weights())
    dense = {
        "in_features": HIDDEN,
        "out_features": 7,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    write_modules(tmp_path, ("Pooling", {FLAGS["mean"]: True}), ("Dense", dense), ("Normalize", {}))
    save_file({"linear.weight": matrix, "linear.bias": bias}, tmp_path / "2_Dense" / "model.safetensors")
    for pooled, got in zip(expected("mean"), embeddings(tmp_path), strict=True):
        wanted = np.tanh(matrix @ pooled + bias)
        assert np.abs(wanted / np.linalg.norm(wanted) - got).max() <= 2e-5


def test_sentence_files_outweigh_the_architecture(tmp_path: Path) -> None:
    """all-mpnet-base-v2 calls itself MPNetForMaskedLM."""
    write_checkpoint(tmp_path, random_weights(), {**CONFIG, "architectures": ["BertForMaskedLM"]})
    write_modules(tmp_path, ("Pooling", {FLAGS["mean"]: True}))
    assert convert_checkpoint(tmp_path).spec.head == "embedding"


@pytest.mark.parametrize(
    ("modules", "error", "words"),
    [
        ([("LSTM", {})], Unsupported, "module LSTM"),
        ([("Pooling", {})], Unsupported, "pooling none"),
        ([("Pooling", {"pooling_mode": "attention"})], Unsupported, "pooling .*attention.* is not known"),
        ([("Normalize", {}), ("Dense", {})], Unsupported, "Dense after Normalize"),
        ([("Pooling", {FLAGS["mean"]: True}), ("Dense", {"in_features": 9})], LoadFailed, "must be whole numbers"),
        (
            [("Pooling", {FLAGS["mean"]: True}), ("Dense", {"in_features": 9, "out_features": 2})],
            LoadFailed,
            "in_features is 9, but the pooling before it gives 24",
        ),
        (
            [("Pooling", {FLAGS["mean"]: True}), ("Dense", {"activation_function": "os.system"})],
            Unsupported,
            "activation_function system is not known",
        ),
    ],
)
def test_modules_that_do_not_fit(
    modules: list[tuple[str, dict[str, Any]]], error: type[Exception], words: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, *modules)
    with pytest.raises(error, match=words):
        convert_checkpoint(tmp_path, head="embedding")


def test_a_module_outside_the_folder(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", random_weights())
    (folder / "modules.json").write_text('[{"type": "a.Pooling", "path": "../elsewhere"}]')
    with pytest.raises(InvalidConfiguration, match="leaves the model's folder"):
        convert_checkpoint(folder)
