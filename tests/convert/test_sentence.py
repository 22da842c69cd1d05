"""Pooling, dense layers and normalisation as a sentence-transformers folder describes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_bert import CONFIG, HIDDEN, hidden_states, random_weights, run, texts, write_checkpoint, write_modules

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.encoder.sentence import excludes_prompt
from naiad.convert.opening import open_encoder
from naiad.core.encoding.pooling import pool
from naiad.core.errors import InvalidConfiguration, LoadFailed, Unsupported
from naiad.repository.checkpoint import Checkpoint

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
    encoder = open_encoder(converted.graph, converted.spec)
    return [result["embedding"] for result in run(encoder, texts(*LENGTHS))]


def expected(pooling: str) -> list[Any]:
    weights = random_weights()
    return [pool(hidden_states(weights, item), pooling) for item in texts(*LENGTHS)]


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
    write_modules(
        tmp_path, ("sentence_transformers.sentence_transformer.modules.pooling.Pooling", {"pooling_mode": "cls"})
    )
    assert np.abs(np.stack(expected("cls")) - np.stack(embeddings(tmp_path))).max() <= 2e-5


def test_the_newer_spelling_keeps_its_order(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, ("Pooling", {"pooling_mode": ["lasttoken", "mean_sqrt_len_tokens", "cls"]}))
    wanted = np.stack(expected("lasttoken+mean_sqrt_len+cls"))
    assert np.abs(wanted - np.stack(embeddings(tmp_path))).max() <= 2e-5


@pytest.mark.parametrize("pooling", FLAGS)
def test_a_prompt_that_is_left_out(pooling: str, tmp_path: Path) -> None:
    weights = random_weights()
    write_checkpoint(tmp_path, weights)
    flags = {flag: mode == pooling for mode, flag in FLAGS.items()}
    write_modules(tmp_path, ("Pooling", {**flags, "include_prompt": False}))
    converted = convert_checkpoint(tmp_path)
    assert converted.spec.excludes_prompt
    items = [
        replace(item, prompt_tokens=prompt, outputs=("embedding",))
        for item, prompt in zip(texts(*LENGTHS), (3, 0, 4, 11), strict=True)
    ]
    encoder = open_encoder(converted.graph, converted.spec)
    for item, result in zip(items, run(encoder, items), strict=True):
        wanted = pool(hidden_states(weights, item), pooling, item.prompt_tokens)
        assert np.abs(wanted - result["embedding"]).max() <= 2e-5


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


MEAN: tuple[str, dict[str, Any]] = ("Pooling", {FLAGS["mean"]: True})


@pytest.mark.parametrize(
    ("modules", "error", "words"),
    [
        ([("LSTM", {})], Unsupported, "module sentence_transformers.models.LSTM of modules.json"),
        ([("WeightedLayerPooling", {}), MEAN], Unsupported, "WeightedLayerPooling"),
        ([("custom_pooling.Pooling", {})], Unsupported, "module custom_pooling.Pooling of"),
        ([("Pooling", {"pooling_mode": "attention"})], Unsupported, "the pooling attention is not known"),
        ([("Pooling", {"pooling_mode": []})], Unsupported, "the pooling without a mode"),
        ([("Pooling", {"pooling_mode_attention": True})], Unsupported, "the pooling pooling_mode_attention is not"),
        (
            [("Dense", {"in_features": 24, "out_features": 2}), MEAN],
            LoadFailed,
            "nothing that gives sentence_embedding",
        ),
        ([("Normalize", {})], LoadFailed, "nothing that gives sentence_embedding before Normalize"),
        ([("Dropout", {})], LoadFailed, "nothing that gives sentence_embedding before the end"),
        ([MEAN, ("Dense", {"in_features": 9})], LoadFailed, "out_features must be a whole number of at least 1"),
        ([MEAN, ("LayerNorm", {"dimension": 9})], LoadFailed, "dimension is 9, but the module before it gives 24"),
        (
            [MEAN, ("Dense", {"in_features": 9, "out_features": 2})],
            LoadFailed,
            "in_features is 9, but the module before it gives 24",
        ),
        (
            [MEAN, ("Dense", {"in_features": 24, "out_features": 2, "activation_function": "os.system"})],
            Unsupported,
            "activation_function os.system is not known",
        ),
        (
            [MEAN, ("Dense", {"in_features": 24, "out_features": 2, "activation_function": "my.Tanh"})],
            Unsupported,
            "activation_function my.Tanh is not known",
        ),
        (
            [MEAN, ("Dense", {"in_features": 24, "out_features": 2, "module_output_name": "scores"})],
            Unsupported,
            "the value 'scores' is not known",
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


def test_modules_behind_a_classifier_are_refused(tmp_path: Path) -> None:
    """A CrossEncoder of version 6 may have a Dense layer whose output are its scores."""
    head = {"classifier.weight": np.zeros((1, HIDDEN), np.float32), "classifier.bias": np.zeros(1, np.float32)}
    write_checkpoint(tmp_path, {**random_weights(), **head}, {**CONFIG, "architectures": ["X"]})
    write_modules(tmp_path, ("Dense", {"in_features": HIDDEN, "out_features": 1, "module_output_name": "scores"}))
    with pytest.raises(Unsupported, match=r"sentence_transformers\.models\.Dense of modules\.json"):
        convert_checkpoint(tmp_path, head="sequence-classification")


@pytest.mark.parametrize(
    ("repository", "excluded"),
    [("hkunlp--instructor-large", True), ("hkunlp--other", False), ("me--instructor-large", False)],
)
def test_instructors_of_the_hub_leave_the_prompt_out(repository: str, excluded: bool, tmp_path: Path) -> None:
    folder = tmp_path / f"models--{repository}" / "snapshots" / "0123"
    folder.mkdir(parents=True)
    write_modules(folder, ("Pooling", {"pooling_mode_mean_tokens": True}))
    assert excludes_prompt(Checkpoint(folder)) is excluded
