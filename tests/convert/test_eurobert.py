"""EuroBERT computes what transformers does: shared keys, root-mean-square norms, three ways to classify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidConfiguration

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 36,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 44,
    "max_position_embeddings": 96,
    "num_labels": 3,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "mask_token_id"), 1),
}

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "masked-lm": "ForMaskedLM",
}

LENGTHS = (7, 1, 31, 2, 64, 13, 90)


def check(folder: Path, head: str, **changes: Any) -> None:
    config = transformers.EuroBertConfig(**{**SIZES, **changes})
    model = make_model(getattr(transformers, f"EuroBert{HEADS[head]}"), config)
    model.save_pretrained(folder)
    assert_equal(model, folder, head, make_ids(LENGTHS, 90))


@pytest.mark.parametrize("head", HEADS)
def test_every_head(head: str, tmp_path: Path) -> None:
    check(tmp_path, head)


@pytest.mark.parametrize("pooling", ["bos", "mean"])
def test_other_ways_to_classify(pooling: str, tmp_path: Path) -> None:
    check(tmp_path, "sequence-classification", classifier_pooling=pooling)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_key_value_heads": None},
        {"head_dim": 8},
        {"attention_bias": True, "mlp_bias": True},
        {"tie_word_embeddings": True},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 250.0}},
    ],
)
def test_variants(changes: dict[str, Any], tmp_path: Path) -> None:
    check(tmp_path, "masked-lm", **changes)


def test_int8_does_not_depend_on_company(tmp_path: Path) -> None:
    make_model(transformers.EuroBertModel, transformers.EuroBertConfig(**SIZES)).save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, together = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for number, text in enumerate(ids):
        _, (alone,) = run_packed(tmp_path, "embedding", [text], quantize="int8")
        for name, array in alone.items():
            assert np.abs(array - together[number][name]).max() <= 1e-6
        one, other = exact[number]["embedding"], together[number]["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


def test_heads_that_cannot_be_shared(tmp_path: Path) -> None:
    make_model(transformers.EuroBertModel, transformers.EuroBertConfig(**SIZES)).save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"num_key_value_heads": 2', '"num_key_value_heads": 4'))
    with pytest.raises(InvalidConfiguration, match="6 is not a multiple of num_key_value_heads 4"):
        convert_checkpoint(tmp_path)
