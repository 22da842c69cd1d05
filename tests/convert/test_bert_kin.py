"""Relatives of BERT and RoBERTa compute what transformers does, every head of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed
from safetensors.numpy import load_file, save_file

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import Unsupported

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "intermediate_size": 44,
    "max_position_embeddings": 96,
    "num_labels": 3,
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "ernie": ("Ernie", {"use_task_id": True}),
    "rembert": ("RemBert", {"input_embedding_size": 20, "output_embedding_size": 28}),
    "roformer": ("RoFormer", {"embedding_size": 20, "hidden_act": "relu"}),
    "data2vec-text": ("Data2VecText", {"pad_token_id": 1}),
    "xlm-roberta-xl": ("XLMRobertaXL", {"pad_token_id": 1}),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", {"pad_token_id": 1}),
    "megatron-bert": ("MegatronBert", {}),
}

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}

LENGTHS = (7, 1, 31, 2, 64, 13, 90)


def make(family: str, head: str, **changes: Any) -> Any:
    name, sizes = FAMILIES[family]
    labels = {"num_labels": 2} if head == "question-answering" else {}
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **sizes, **labels, **changes})
    return make_model(getattr(transformers, name + HEADS[head]), config)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_head(family: str, head: str, tmp_path: Path) -> None:
    model = make(family, head)
    model.save_pretrained(tmp_path)
    types = family in {"ernie", "rembert", "roformer", "megatron-bert"}
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90), types=types)


@pytest.mark.parametrize(
    ("family", "head", "changes"),
    [
        ("ernie", "embedding", {"use_task_id": False}),
        ("roformer", "masked-lm", {"embedding_size": None}),
        ("rembert", "masked-lm", {"output_embedding_size": 20}),
        ("megatron-bert", "masked-lm", {"tie_word_embeddings": False}),
    ],
)
def test_variants(family: str, head: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model = make(family, head, **changes)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90))


@pytest.mark.parametrize("family", ["roformer", "xlm-roberta-xl"])
def test_int8_does_not_depend_on_company(family: str, tmp_path: Path) -> None:
    make(family, "embedding").save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, together = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for number, text in enumerate(ids):
        _, (alone,) = run_packed(tmp_path, "embedding", [text], quantize="int8")
        for name, array in alone.items():
            assert np.abs(array - together[number][name]).max() <= 1e-6
        one, other = exact[number]["embedding"], together[number]["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


def test_xlm_roberta_in_the_words_of_flash_attention(tmp_path: Path) -> None:
    """As jina-reranker-v2 is published."""
    config = transformers.XLMRobertaConfig(**{**SIZES, "pad_token_id": 1, "type_vocab_size": 1, "num_labels": 1})
    model = make_model(transformers.XLMRobertaForSequenceClassification, config)
    model.save_pretrained(tmp_path)
    words = {
        "embeddings.LayerNorm.": "emb_ln.",
        "encoder.layer.": "encoder.layers.",
        ".attention.output.dense.": ".mixer.out_proj.",
        ".attention.output.LayerNorm.": ".norm1.",
        ".intermediate.dense.": ".mlp.fc1.",
        ".output.dense.": ".mlp.fc2.",
        ".output.LayerNorm.": ".norm2.",
    }
    weights = load_file(tmp_path / "model.safetensors")
    for ours, theirs in words.items():
        weights = {name.replace(ours, theirs): array for name, array in weights.items()}
    for name in [name for name in weights if ".attention.self.query." in name]:
        parts = [weights.pop(name.replace("query", part)) for part in ("query", "key", "value")]
        weights[name.replace("attention.self.query", "mixer.Wqkv")] = np.concatenate(parts)
    save_file(weights, tmp_path / "model.safetensors")
    assert_equal(model, tmp_path, "sequence-classification", make_ids(LENGTHS, 90))


def test_turned_values_are_refused(tmp_path: Path) -> None:
    make("roformer", "embedding").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "rotary_value": True}))
    with pytest.raises(Unsupported, match="rotary_value=True"):
        convert_checkpoint(tmp_path)
