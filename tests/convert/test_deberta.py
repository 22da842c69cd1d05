"""DeBERTa computes what transformers does: disentangled attention, its options, every head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import LoadFailed, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

V3: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "num_labels": 3,
    "relative_attention": True,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "max_relative_positions": -1,
    "position_biased_input": False,
    "type_vocab_size": 0,
}
"""The options of microsoft/deberta-v3-*, small; positions far enough apart for every bucket."""

V1 = {name: V3[name] for name in V3 if name not in {"position_buckets", "norm_rel_ebd", "share_att_key"}}

LENGTHS = (7, 1, 31, 2, 64, 13)

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}


def make(head: str, family: str = "DebertaV2", **changes: Any) -> Any:
    sizes = {**(V1 if family == "Deberta" else V3), **changes}
    if head == "question-answering":
        sizes["num_labels"] = 2
    config = getattr(transformers, f"{family}Config")(**sizes)
    return make_model(getattr(transformers, family + HEADS[head]), config)


def check(head: str, folder: Path, *, family: str = "DebertaV2", types: bool = False, **changes: Any) -> None:
    model = make(head, family, **changes)
    model.save_pretrained(folder)
    assert_equal(model, folder, head, make_ids(LENGTHS, 90), types=types)


@pytest.mark.parametrize("family", ["DebertaV2", "Deberta"])
@pytest.mark.parametrize("head", HEADS)
def test_equals_transformers(head: str, family: str, tmp_path: Path) -> None:
    check(head, tmp_path, family=family)


@pytest.mark.parametrize(
    "changes",
    [
        {"share_att_key": False},
        {"share_att_key": False, "pos_att_type": ["c2p"]},
        {"share_att_key": False, "pos_att_type": ["p2c"]},
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": []},
        {"pos_att_type": None},
        {"position_buckets": -1},
        {"position_buckets": -1, "max_relative_positions": 9},
        {"max_relative_positions": 20},
        {"position_buckets": 7},
        {"norm_rel_ebd": "none"},
        {"relative_attention": False},
        {"relative_attention": False, "pos_att_type": None, "position_biased_input": True},
        {"position_biased_input": True},
        {"embedding_size": 20},
        {"conv_kernel_size": 3, "conv_act": "gelu"},
        {"conv_kernel_size": 5, "conv_groups": 4},
        {"hidden_act": "relu", "layer_norm_eps": 1e-5},
    ],
    ids=str,
)
def test_options(changes: dict[str, Any], tmp_path: Path) -> None:
    check("embedding", tmp_path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": "P2C | c2p"},
        {"max_relative_positions": 9},
        {"relative_attention": False, "position_biased_input": True},
        {"type_vocab_size": 0, "embedding_size": 20},
    ],
    ids=str,
)
def test_options_of_the_first_version(changes: dict[str, Any], tmp_path: Path) -> None:
    check("embedding", tmp_path, family="Deberta", **changes)


@pytest.mark.parametrize("family", ["DebertaV2", "Deberta"])
def test_type_ids(family: str, tmp_path: Path) -> None:
    check("sequence-classification", tmp_path, family=family, type_vocab_size=2, types=True)


@pytest.mark.parametrize("family", ["DebertaV2", "Deberta"])
def test_the_newer_language_head(family: str, tmp_path: Path) -> None:
    check("masked-lm", tmp_path, family=family, legacy=False)


def test_a_language_head_on_narrow_embeddings(tmp_path: Path) -> None:
    check("masked-lm", tmp_path, embedding_size=20)


@pytest.mark.parametrize("activation", ["tanh", "gelu_new"])
def test_the_pooler_has_an_activation_of_its_own(activation: str, tmp_path: Path) -> None:
    check("sequence-classification", tmp_path, pooler_hidden_act=activation)


def test_the_published_buckets(tmp_path: Path) -> None:
    """256 buckets over 512 positions, at the longest length, where rounding decides the border of a bucket."""
    changes = {"position_buckets": 256, "max_position_embeddings": 512, "num_hidden_layers": 1}
    model = make("token-classification", **changes)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "token-classification", make_ids((512, 3, 300), 90))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_checkpoints(kind: str, tmp_path: Path) -> None:
    model = make("sequence-classification").to(getattr(torch, kind))
    model.save_pretrained(tmp_path)
    assert_equal(model.float(), tmp_path, "sequence-classification", make_ids(LENGTHS, 90))


def test_what_config_json_leaves_out(tmp_path: Path) -> None:
    """A config.json with the sizes alone means transformers' defaults, not those of a published checkpoint."""
    sizes = {name: V3[name] for name in list(V3)[:6]}
    model = make_model(transformers.DebertaV2Model, transformers.DebertaV2Config(**sizes))
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "deberta-v2", **sizes}))
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"conv_kernel_size": 4}, "conv_kernel_size"), ({"attention_head_size": 6}, "attention_head_size")],
    ids=str,
)
def test_what_is_not_computed_is_refused_by_name(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    make("embedding").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(Unsupported, match=named):
        convert_checkpoint(tmp_path)


def test_talking_heads_are_refused(tmp_path: Path) -> None:
    make("embedding", "Deberta", talking_head=True).save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match="talking_head"):
        convert_checkpoint(tmp_path)


def test_a_language_head_of_the_other_kind_is_not_taken_for_it(tmp_path: Path) -> None:
    """transformers would start the missing head from random numbers."""
    make("masked-lm", legacy=False).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "legacy": True}))
    with pytest.raises(LoadFailed, match=r"cls\.predictions"):
        convert_checkpoint(tmp_path)


@pytest.mark.parametrize("family", ["DebertaV2", "Deberta"])
def test_int8(family: str, tmp_path: Path) -> None:
    """Close to float32, and the same alone as in company."""
    make("embedding", family).save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, rounded = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for text, wanted, got in zip(ids, exact, rounded, strict=True):
        one, other = wanted["embedding"], got["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99
        _, [alone] = run_packed(tmp_path, "embedding", [text], quantize="int8")
        assert np.abs(alone["embedding"] - other).max() <= 1e-6
