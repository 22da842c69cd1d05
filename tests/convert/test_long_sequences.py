"""A very long text is taken block by block, and nobody sees the seams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_jina_bert as jina
from oracle import assert_equal, make_ids, make_model
from small_bert import serve

from naiad.convert.checkpoint import convert_checkpoint
from naiad.core.contracts import Batch
from naiad.core.encoding.encoder import TextTokens

LENGTHS = (5, 1024, 1025, 1280, 1300, 2047)
"""At the border, a multiple of a block, and odd ones."""

SIZES: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 12,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 2048,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
}


def long_alibi(folder: Path) -> Path:
    return jina.write(folder, jina.random_weights(later=True), max_position_embeddings=2048)


def states(folder: Path, ids: list[Any], quantize: str = "none") -> list[Any]:
    converted = convert_checkpoint(folder, quantize=quantize)
    encoder = serve(converted).narrow[0]
    items = [TextTokens(text, ("last_hidden_state",)) for text in ids]
    return [result["last_hidden_state"] for result in encoder.execute(Batch(items)) if isinstance(result, dict)]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("reach", [9, 128, 3000])
def test_modernbert(reach: int, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    config = transformers.ModernBertConfig(
        **SIZES, num_hidden_layers=2, global_attn_every_n_layers=2, local_attention=reach
    )
    model = make_model(transformers.ModernBertModel, config)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


def test_alibi(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    ids = [random.integers(0, jina.VOCABULARY, length) for length in LENGTHS]
    weights = jina.random_weights(later=True)
    found = states(long_alibi(tmp_path), ids)
    assert len(found) == len(ids)
    for text, got in zip(ids, found, strict=True):
        assert np.abs(jina.reference(weights, text, later=True) - got).max() <= 1e-4


def test_int8(tmp_path: Path) -> None:
    """Close to float32, and the same in company."""
    random = np.random.default_rng(2)
    ids = [random.integers(0, jina.VOCABULARY, length) for length in (1300, 40)]
    folder = long_alibi(tmp_path)
    exact, together = states(folder, ids), states(folder, ids, "int8")
    assert np.abs(states(folder, ids[:1], "int8")[0] - together[0]).max() <= 1e-6
    for rounded, wanted in zip(together, exact, strict=True):
        one, other = wanted.mean(axis=0), rounded.mean(axis=0)
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) >= 0.98


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kinds", [["c2p", "p2c"], ["p2c"], []], ids=str)
def test_deberta(kinds: list[str], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    config = transformers.DebertaV2Config(
        **SIZES, num_hidden_layers=2, relative_attention=True, position_buckets=256, share_att_key=True,
        norm_rel_ebd="layer_norm", pos_att_type=kinds, position_biased_input=False,
    )  # fmt: skip
    model = make_model(transformers.DebertaV2Model, config)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids(LENGTHS, 90))


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_t5(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    config = transformers.T5Config(vocab_size=90, d_model=12, d_kv=5, d_ff=20, num_layers=2, num_heads=2)
    model = make_model(transformers.T5EncoderModel, config)
    model.save_pretrained(tmp_path)
    assert_equal(model, tmp_path, "embedding", make_ids((*LENGTHS, 3000), 90))
