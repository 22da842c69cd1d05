"""BART and mBART as classifiers compute what transformers does: encoder, decoder, and the state that is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import MARKS, answer_of, assert_equal, make_ids, make_model, run_packed
from safetensors.numpy import load_file, save_file

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.errors import InvalidRequest, Unsupported

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "d_model": 36,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 6,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 64,
    "num_labels": 3,
}
"""Odd on purpose: the decoder has other sizes than the encoder, as distilbart's have."""

LENGTHS = (7, 1, 31, 2, 64, 13)
END = 2

HEADS = {
    "embedding": "Model",
    "sequence-classification": "ForSequenceClassification",
    "question-answering": "ForQuestionAnswering",
}


def make(head: str, family: str = "Bart", **changes: Any) -> Any:
    sizes = {**SIZES, **changes, **({"num_labels": 2} if head == "question-answering" else {})}
    config = getattr(transformers, f"{family}Config")(**sizes)
    return make_model(getattr(transformers, family + HEADS[head]), config)


def check(head: str, folder: Path, family: str = "Bart", **changes: Any) -> None:
    model = make(head, family, **changes)
    model.save_pretrained(folder)
    assert_equal(model, folder, head, make_ids(LENGTHS, 90, last=END))


@pytest.mark.parametrize("family", ["Bart", "MBart"])
@pytest.mark.parametrize("head", HEADS)
def test_equals_transformers(head: str, family: str, tmp_path: Path) -> None:
    check(head, tmp_path, family)


@pytest.mark.parametrize(
    "changes",
    [{"scale_embedding": True}, {"activation_function": "relu"}, {"decoder_start_token_id": 7}, {"eos_token_id": 9}],
    ids=str,
)
def test_options(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make("sequence-classification", **changes)
    model.save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90, last=changes.get("eos_token_id", END))
    assert_equal(model, tmp_path, "sequence-classification", ids)


@pytest.mark.parametrize("family", ["Bart", "MBart"])
def test_the_last_end_counts(family: str, tmp_path: Path) -> None:
    """Pairs have several, mBART a language after it; texts may hold padding tokens."""
    model = make("sequence-classification", family)
    model.save_pretrained(tmp_path)
    ids = [
        np.array(text) for text in ([0, 5, 2, 2, 6, 7, 2], [8, 2, 30], [2, 2, 9, 9], [0, 1, 2, 5, 1], [2], [0, 5, 2])
    ]
    assert_equal(model, tmp_path, "sequence-classification", ids)


def test_a_text_without_an_end_is_refused_alone(tmp_path: Path) -> None:
    """As by transformers, but its batch mates are answered."""
    model = make("sequence-classification")
    model.save_pretrained(tmp_path)
    items, results = run_packed(tmp_path, "sequence-classification", [np.array(ids) for ids in ([0, 5], [0, 5, 2])])
    assert isinstance(results[0], InvalidRequest)
    assert "token 2" in str(results[0])
    assert np.abs(answer_of(model, "sequence-classification", items[1])["logits"] - results[1]["logits"]).max() <= 1e-4


@pytest.mark.parametrize("kept", ["shared", "encoder.embed_tokens", "decoder.embed_tokens"])
def test_wherever_the_words_are(kept: str, tmp_path: Path) -> None:
    """Writers keep one of three names of the same table."""
    model = make("sequence-classification")
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights[f"model.{kept}.weight"] = weights.pop("model.shared.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert_equal(model, tmp_path, "sequence-classification", make_ids(LENGTHS, 90, last=END))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_checkpoints(kind: str, tmp_path: Path) -> None:
    model = make("sequence-classification").to(getattr(torch, kind))
    model.save_pretrained(tmp_path)
    assert_equal(model.float(), tmp_path, "sequence-classification", make_ids(LENGTHS, 90, last=END))


@pytest.mark.parametrize("family", ["Bart", "MBart"])
def test_int8(family: str, tmp_path: Path) -> None:
    """Close to float32, and the same alone as in company."""
    make("embedding", family).save_pretrained(tmp_path)
    ids = make_ids(LENGTHS, 90, last=END)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, rounded = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for text, wanted, got in zip(ids, exact, rounded, strict=True):
        one, other = wanted["embedding"], got["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99
        _, [alone] = run_packed(tmp_path, "embedding", [text], quantize="int8")
        assert np.abs(alone["embedding"] - other).max() <= 1e-6


@pytest.mark.parametrize("kind", ["BartForConditionalGeneration", "BartForCausalLM"])
def test_generation_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    make("embedding").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": [kind]}))
    with pytest.raises(Unsupported, match=kind):
        convert_checkpoint(tmp_path)


@pytest.mark.parametrize("head", ["token-classification", "masked-lm"])
def test_a_head_that_the_family_has_not_is_refused(head: str, tmp_path: Path) -> None:
    make("embedding").save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match=head):
        convert_checkpoint(tmp_path, head=head)
