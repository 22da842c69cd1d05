"""ModernBERT computes what transformers does: local layers, both spellings of rotary positions, heads as configured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, assert_equal, make_ids, make_model, run_packed

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidConfiguration, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 36,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "intermediate_size": 44,
    "max_position_embeddings": 96,
    "local_attention": 9,
    "num_labels": 3,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
}

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "masked-lm": "ForMaskedLM",
}

LENGTHS = (7, 1, 31, 2, 64, 13, 90)

ROPE = {"rope_type": "default", "rope_theta": 500.0}

HALF_NORM = {
    "norm_bias": True,
    "attention_bias": True,
    "mlp_bias": True,
    "classifier_bias": True,
    "decoder_bias": False,
}


def make(head: str, **changes: Any) -> Any:
    labels = {"num_labels": 2} if head == "question-answering" else {}
    config = transformers.ModernBertConfig(**{**SIZES, **labels, **changes})
    return make_model(getattr(transformers, f"ModernBert{HEADS[head]}"), config)


def check(folder: Path, head: str, **changes: Any) -> None:
    model = make(head, **changes)
    model.save_pretrained(folder)
    assert_equal(model, folder, head, make_ids(LENGTHS, 90))


@pytest.mark.parametrize("head", HEADS)
def test_every_head(head: str, tmp_path: Path) -> None:
    check(tmp_path, head)


@pytest.mark.parametrize("head", ["sequence-classification", "token-classification", "masked-lm"])
def test_biases_as_configured(head: str, tmp_path: Path) -> None:
    check(tmp_path, head, **HALF_NORM)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_types": ["full_attention"] * 4},
        {"layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]},
        {"local_attention": 2},
        {"hidden_activation": "gelu_pytorch_tanh"},
        {"rope_parameters": {"full_attention": ROPE, "sliding_attention": {**ROPE, "rope_theta": 50.0}}},
        {"rope_parameters": {"full_attention": {**ROPE, "rope_type": "linear", "factor": 3.0}}},
        {"num_attention_heads": 3, "hidden_size": 30},
    ],
)
def test_variants(changes: dict[str, Any], tmp_path: Path) -> None:
    check(tmp_path, "embedding", **changes)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_classifier_of_the_mean(activation: str, tmp_path: Path) -> None:
    check(tmp_path, "sequence-classification", classifier_pooling="mean", classifier_activation=activation)


def test_a_decoder_of_its_own(tmp_path: Path) -> None:
    check(tmp_path, "masked-lm", tie_word_embeddings=False)


def test_the_spelling_of_transformers_4(tmp_path: Path) -> None:
    """What a config.json of the Hub has, and what it leaves out."""
    model = make("embedding", global_rope_theta=700.0, local_rope_theta=70.0, global_attn_every_n_layers=2)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for key in ("rope_parameters", "layer_types"):
        del config[key]
    old = {"global_rope_theta": 700.0, "local_rope_theta": 70.0, "global_attn_every_n_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps({**config, **old}))
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision(kind: str, tmp_path: Path) -> None:
    model = make("sequence-classification").to(getattr(torch, kind))
    model.save_pretrained(tmp_path)
    exact = type(model).from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert_equal(exact, tmp_path, "sequence-classification", make_ids(LENGTHS, 90))


def test_int8_does_not_depend_on_company(tmp_path: Path) -> None:
    make("embedding").save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, together = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for number, text in enumerate(ids):
        _, (alone,) = run_packed(tmp_path, "embedding", [text], quantize="int8")
        for name, array in alone.items():
            assert np.abs(array - together[number][name]).max() <= 1e-6
        one, other = exact[number]["embedding"], together[number]["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"layer_types": ["full_attention"]}, InvalidConfiguration, "layer_types must name"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, Unsupported, "kind 'yarn'"),
        ({"rope_scaling": 7}, InvalidConfiguration, "rope_scaling is 7"),
        ({"num_attention_heads": 4}, InvalidConfiguration, "a head has 9"),
        ({"norm_bias": "no"}, InvalidConfiguration, "norm_bias is 'no'"),
    ],
)
def test_refused(change: dict[str, Any], error: type[Exception], words: str, tmp_path: Path) -> None:
    make("embedding").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(error, match=words):
        convert_checkpoint(tmp_path)
