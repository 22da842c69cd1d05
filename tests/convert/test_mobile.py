"""MobileBERT and SqueezeBERT compute what transformers does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed

transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

FAMILIES: dict[str, dict[str, Any]] = {
    "MobileBert": {
        "vocab_size": 90,
        "hidden_size": 40,
        "embedding_size": 12,
        "intra_bottleneck_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 36,
        "num_feedforward_networks": 3,
        "max_position_embeddings": 64,
        "num_labels": 3,
    },
    "SqueezeBert": {
        "vocab_size": 90,
        "hidden_size": 36,
        "embedding_size": 36,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "num_labels": 3,
        "k_groups": 2,
    },
}

LENGTHS = (7, 1, 31, 2, 64, 13)

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}


def make(family: str, head: str, **changes: Any) -> Any:
    sizes = {**FAMILIES[family], **changes, **({"num_labels": 2} if head == "question-answering" else {})}
    config = getattr(transformers, f"{family}Config")(**sizes)
    return make_model(getattr(transformers, family + HEADS[head]), config, spread=0.1)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers(family: str, head: str, tmp_path: Path) -> None:
    model = make(family, head)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90), types=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"trigram_input": False},
        {"trigram_input": False, "embedding_size": 40},
        {"use_bottleneck_attention": True},
        {"key_query_shared_bottleneck": False, "intra_bottleneck_size": 40},
        {"use_bottleneck": False},
        {"num_feedforward_networks": 1},
        {"normalization_type": "layer_norm", "layer_norm_eps": 1e-3},
        {"hidden_act": "gelu"},
    ],
    ids=str,
)
def test_options_of_mobilebert(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make("MobileBert", "embedding", **changes)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90), types=True)


def test_a_classifier_without_a_pooler(tmp_path: Path) -> None:
    model = make("MobileBert", "sequence-classification", classifier_activation=False)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "sequence-classification", make_ids(LENGTHS, 90), types=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_int8(family: str, tmp_path: Path) -> None:
    """Close to float32, and the same alone as in company."""
    make(family, "embedding").save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, rounded = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for text, wanted, got in zip(ids, exact, rounded, strict=True):
        one, other = wanted["embedding"], got["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99
        _, [alone] = run_packed(tmp_path, "embedding", [text], quantize="int8")
        assert np.abs(alone["embedding"] - other).max() <= 1e-6 * max(1, np.abs(other).max())
