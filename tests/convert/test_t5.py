"""T5's encoder computes what transformers does, gated or not, with heads of any size and at any distance."""

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

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = MARKS

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "d_model": 36,
    "d_kv": 7,
    "d_ff": 48,
    "num_layers": 3,
    "num_heads": 4,
    "num_labels": 3,
}
"""The heads together are not as wide as the model, as in mt5-small."""

LENGTHS = (7, 1, 31, 2, 150, 13)


def make(kind: str = "T5EncoderModel", **changes: Any) -> Any:
    config = getattr(transformers, "MT5Config" if kind.startswith("M") else "T5Config")(**{**SIZES, **changes})
    return make_model(getattr(transformers, kind), config)


@pytest.mark.parametrize("kind", ["T5EncoderModel", "MT5EncoderModel", "T5ForTokenClassification"])
def test_equals_transformers(kind: str, tmp_path: Path) -> None:
    model = make(kind)
    model.save_pretrained(tmp_path)
    head = "token-classification" if kind.endswith("Classification") else "embedding"
    assert_equal(model, tmp_path, head, make_ids(LENGTHS, 90))


@pytest.mark.parametrize(
    "changes",
    [
        {"feed_forward_proj": "gated-gelu"},
        {"feed_forward_proj": "gated-silu"},
        {"feed_forward_proj": "gelu"},
        {"relative_attention_num_buckets": 16, "relative_attention_max_distance": 40},
        {"relative_attention_num_buckets": 7},
        {"d_kv": 9},
        {"layer_norm_epsilon": 1e-3},
    ],
    ids=str,
)
def test_options(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make(**changes)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


def test_words_under_the_encoders_name(tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.embed_tokens.weight"] = weights.pop("shared.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


def test_a_whole_t5_behind_sentence_transformers_modules(tmp_path: Path) -> None:
    """sentence-transformers takes the encoder of a checkpoint that has a decoder, too."""
    whole = make("T5Model")
    whole.save_pretrained(tmp_path)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (tmp_path / "modules.json").write_text(
        json.dumps([{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in modules])
    )
    (tmp_path / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 36, "pooling_mode_mean_tokens": True}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    encoder = transformers.T5EncoderModel.from_pretrained(tmp_path).eval()
    assert_equal(encoder, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("T5Model", "T5Model decodes"),
        ("T5ForConditionalGeneration", "T5ForConditionalGeneration"),
        ("T5ForSequenceClassification", "sequence-classification"),
    ],
)
def test_what_needs_a_decoder_is_refused(kind: str, named: str, tmp_path: Path) -> None:
    make(kind).save_pretrained(tmp_path)
    with pytest.raises(Unsupported, match=named):
        convert_checkpoint(tmp_path)


def test_unknown_feed_forward_is_refused(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "feed_forward_proj": "gated-xielu"}))
    with pytest.raises(Unsupported, match="feed_forward_proj"):
        convert_checkpoint(tmp_path)


@pytest.mark.parametrize("form", ["relu", "gated-gelu"])
def test_int8(form: str, tmp_path: Path) -> None:
    """Close to float32, and the same alone as in company."""
    make(feed_forward_proj=form).save_pretrained(tmp_path)
    ids = make_ids((7, 1, 31, 2, 64, 13), 90)
    _, exact = run_packed(tmp_path, "embedding", ids)
    _, rounded = run_packed(tmp_path, "embedding", ids, quantize="int8")
    for text, wanted, got in zip(ids, exact, rounded, strict=True):
        one, other = wanted["embedding"], got["embedding"]
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.99
        _, [alone] = run_packed(tmp_path, "embedding", [text], quantize="int8")
        assert np.abs(alone["embedding"] - other).max() <= 1e-6
