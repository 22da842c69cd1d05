"""T5's encoder, as sentence-transformers' checkpoints have it."""

from __future__ import annotations

from typing import Any

from published.row import LinearSentence, Sentence, Vocabulary
from published.sizes import row

PIECES = Vocabulary(
    kind="t5",
    size=32100,
    config={
        "model_max_length": 512,
        "extra_ids": 100,
        "additional_special_tokens": [f"<extra_id_{at}>" for at in range(100)],
        "tokenizer_class": "T5Tokenizer",
    },
)


def t5(width: int, heads: int, inner: int, form: str = "relu", **others: Any) -> dict[str, Any]:
    """config.json of a T5; its number of positions is a leftover that nothing reads."""
    return {
        "model_type": "t5",
        "d_model": width,
        "d_kv": 64,
        "d_ff": inner,
        "num_heads": heads,
        "feed_forward_proj": form,
        "vocab_size": 32128,
        "n_positions": 512,
        "relative_attention_num_buckets": 32,
        "layer_norm_epsilon": 1e-6,
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        **others,
    }


def sentence(width: int, most: int) -> Sentence:
    """Mean, a dense layer without an activation or a bias, and a norm."""
    return LinearSentence(pooling="mean", dense=(width, width), normalize=True, max_seq_length=most)


ROWS = (
    row(
        "sentence-transformers/sentence-t5-base", "T5EncoderModel", t5(768, 12, 3072), PIECES,
        sentence=sentence(768, 256), longest=256,
    ),
    row(
        "sentence-transformers/gtr-t5-base", "T5EncoderModel", t5(768, 12, 3072), PIECES,
        sentence=sentence(768, 512), longest=512,
    ),
    row(
        "hkunlp/instructor-large", "T5EncoderModel", t5(1024, 16, 4096), PIECES,
        sentence=sentence(1024, 512), longest=512,
    ),
)  # fmt: skip
