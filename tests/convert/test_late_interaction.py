"""A vector for each token, from the folders of three libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_bert import CONFIG, HIDDEN, hidden_states, random_weights, run, texts, write_checkpoint, write_modules

from naiad.convert.checkpoint import convert_checkpoint
from naiad.convert.opening import open_encoder
from naiad.core.encoding.encoder import TextTokens
from naiad.core.errors import Unsupported

WIDTH = 7
MATRIX = np.random.default_rng(3).standard_normal((WIDTH, HIDDEN)).astype(np.float32)
DENSE = {"in_features": HIDDEN, "out_features": WIDTH, "bias": False,
         "activation_function": "torch.nn.modules.linear.Identity"}  # fmt: skip
TOKENS = {"module_input_name": "token_embeddings"}
LENGTHS = (5, 1, 33, 12)


def vectors(folder: Path) -> list[Any]:
    converted = convert_checkpoint(folder, head="late-interaction")
    assert [(output.name, output.granularity, output.width) for output in converted.spec.outputs] == [
        ("embedding", "token", WIDTH)
    ]
    encoder = open_encoder(converted.graph, converted.spec)
    return [result["embedding"] for result in run(encoder, texts(*LENGTHS, outputs=("embedding",)))]


def assert_projected(folder: Path, *, normalized: bool = True) -> None:
    weights = random_weights()
    for item, found in zip(texts(*LENGTHS), vectors(folder), strict=True):
        wanted = hidden_states(weights, item) @ MATRIX.T
        if normalized:
            wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.abs(wanted - found).max() <= 2e-5


@pytest.mark.parametrize(
    ("modules", "settings", "normalized"),
    [
        ([("Dense", {**DENSE, **TOKENS}), ("MultiVectorMask", {}), ("Normalize", TOKENS)], {}, True),
        ([("Dense", DENSE), ("MultiVectorMask", {})], {"model_type": "MultiVectorEncoder"}, False),
        ([("Dense", DENSE)], {"model_type": "ColBERT"}, True),
        ([("pylate.models.Dense.Dense", DENSE)], {"model_type": "ColBERT"}, True),
        ([("pylate.models.Dense.Dense", DENSE)], {}, True),
    ],
)
def test_folders_with_modules(modules: Any, settings: dict[str, Any], normalized: bool, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, *modules)
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    save_file({"linear.weight": MATRIX}, tmp_path / "1_Dense" / "model.safetensors")
    assert_projected(tmp_path, normalized=normalized)


def test_stanfords_projection_lies_beside_the_body(tmp_path: Path) -> None:
    weights = {f"bert.{name}": array for name, array in random_weights().items()}
    write_checkpoint(tmp_path, {**weights, "linear.weight": MATRIX}, {**CONFIG, "architectures": ["HF_ColBERT"]})
    assert_projected(tmp_path)


@pytest.mark.parametrize(
    "modules", [[("Pooling", {})], [("Dense", {**DENSE, "module_input_name": "sentence_embedding"})]]
)
def test_what_works_on_sentences_is_refused(modules: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    write_modules(tmp_path, *modules)
    with pytest.raises(Unsupported, match=f"{modules[0][0]} of modules.json is not computed"):
        convert_checkpoint(tmp_path, head="late-interaction")


def test_a_body_without_a_projection_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, random_weights())
    with pytest.raises(Unsupported, match="BertModel has no projection for late interaction"):
        convert_checkpoint(tmp_path, head="late-interaction")


def test_unseen_tokens_change_nobody_elses_vector(tmp_path: Path) -> None:
    """They attend to the others, and nobody to them: not even they to themselves."""
    weights = {f"bert.{name}": array for name, array in random_weights().items()}
    write_checkpoint(tmp_path, {**weights, "linear.weight": MATRIX}, {**CONFIG, "architectures": ["HF_ColBERT"]})
    converted = convert_checkpoint(tmp_path, head="late-interaction")
    encoder = open_encoder(converted.graph, converted.spec)
    ids = np.arange(1, 9)
    items = [
        TextTokens(ids[:6], ("embedding",)),
        TextTokens(ids, ("embedding",), unseen_tokens=2),
        TextTokens(np.append(ids[:7], 3), ("embedding",), unseen_tokens=2),
    ]
    alone, filled, other = (result["embedding"] for result in run(encoder, items))
    assert np.abs(alone - filled[:6]).max() <= 1e-6
    assert np.abs(filled[:7] - other[:7]).max() <= 1e-6
    assert np.abs(filled[7] - other[7]).max() > 1e-3
