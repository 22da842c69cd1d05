"""DeBERTa, the first version and v2/v3, and BART as a classifier."""

from __future__ import annotations

from typing import Any

from published.row import Vocabulary
from published.sizes import BASE, LARGE, Sizes, byte_level, numbered, row, widths

V2 = "DebertaV2ForSequenceClassification"
ZERO_SHOT = "zero-shot-classification"
PIECES = Vocabulary(
    kind="deberta-v2",
    size=128001,
    config={"do_lower_case": False, "vocab_type": "spm", "tokenizer_class": "DebertaV2Tokenizer"},
    has_json=False,
)
PIECES_JSON = Vocabulary(
    kind="deberta-v2",
    size=128001,
    config={
        "do_lower_case": False,
        "vocab_type": "spm",
        "split_by_punct": False,
        "model_max_length": 512,
        "tokenizer_class": "DebertaV2Tokenizer",
    },
)
MANY_PIECES = Vocabulary(
    kind="deberta-v2", size=250102, config={"do_lower_case": False, "tokenizer_class": "DebertaV2Tokenizer"}
)
BYTES = Vocabulary(
    kind="deberta",
    size=50265,
    config={"do_lower_case": False, "vocab_type": "gpt2", "tokenizer_class": "DebertaTokenizer"},
    has_json=False,
)


def deberta(sizes: Sizes, vocab_size: int = 128100, **others: Any) -> dict[str, Any]:
    """config.json of a DeBERTa v3."""
    return {
        "model_type": "deberta-v2",
        **widths(sizes),
        "vocab_size": vocab_size,
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-7,
        "pad_token_id": 0,
        "relative_attention": True,
        "max_relative_positions": -1,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "pooler_dropout": 0,
        "pooler_hidden_act": "gelu",
        **others,
    }


def first_deberta(sizes: Sizes, **others: Any) -> dict[str, Any]:
    """config.json of the first DeBERTa."""
    return {
        "model_type": "deberta",
        **widths(sizes),
        "vocab_size": 50265,
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-7,
        "padding_idx": 0,
        "pad_token_id": 0,
        "relative_attention": True,
        "max_relative_positions": -1,
        "pos_att_type": "c2p|p2c",
        "position_biased_input": False,
        "pooler_dropout": 0,
        "pooler_hidden_act": "gelu",
        **others,
    }


def bart(width: int, heads: int, inner: int, **others: Any) -> dict[str, Any]:
    """config.json of a BART classifier."""
    return {
        "model_type": "bart",
        "d_model": width,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": inner,
        "decoder_ffn_dim": inner,
        "vocab_size": 50265,
        "max_position_embeddings": 1024,
        "activation_function": "gelu",
        "normalize_before": False,
        "normalize_embedding": True,
        "scale_embedding": False,
        "add_final_layer_norm": False,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        **others,
    }


PERSONAL = (
    "I-ACCOUNTNUM", "I-BUILDINGNUM", "I-CITY", "I-CREDITCARDNUMBER", "I-DATEOFBIRTH", "I-DRIVERLICENSENUM", "I-EMAIL",
    "I-GIVENNAME", "I-IDCARDNUM", "I-PASSWORD", "I-SOCIALNUM", "I-STREET", "I-SURNAME", "I-TAXNUM", "I-TELEPHONENUM",
    "I-USERNAME", "I-ZIPCODE", "O",
)  # fmt: skip
XSMALL: Sizes = (384, 6, 1536)

ROWS = (
    row("microsoft/deberta-v3-base", "DebertaV2Model", deberta(BASE), PIECES),
    row("microsoft/deberta-v3-xsmall", "DebertaV2Model", deberta(XSMALL), PIECES),
    row(
        "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli", V2, deberta(BASE), PIECES_JSON,
        ("entailment", "neutral", "contradiction"), task=ZERO_SHOT, card=ZERO_SHOT,
    ),
    row(
        "MoritzLaurer/deberta-v3-large-zeroshot-v2.0", V2, deberta(LARGE), PIECES_JSON,
        ("entailment", "not_entailment"), task=ZERO_SHOT, card=ZERO_SHOT,
    ),
    row(
        "cross-encoder/nli-deberta-v3-small", V2, deberta(BASE), PIECES_JSON,
        ("contradiction", "entailment", "neutral"), task=ZERO_SHOT, card=ZERO_SHOT,
    ),
    row("protectai/deberta-v3-base-prompt-injection-v2", V2, deberta(BASE), PIECES_JSON, ("SAFE", "INJECTION")),
    row("mixedbread-ai/mxbai-rerank-xsmall-v1", V2, deberta(XSMALL), PIECES_JSON, numbered(1), task="text-ranking"),
    row("OpenAssistant/reward-model-deberta-v3-large-v2", V2, deberta(LARGE), PIECES_JSON, numbered(1),
        task="text-ranking"),
    row("deepset/deberta-v3-base-squad2", "DebertaV2ForQuestionAnswering", deberta(BASE), PIECES_JSON),
    row("microsoft/mdeberta-v3-base", "DebertaV2Model", deberta(BASE, 251000), MANY_PIECES),
    row(
        "iiiorg/piiranha-v1-detect-personal-information", "DebertaV2ForTokenClassification", deberta(BASE, 251000),
        MANY_PIECES, PERSONAL,
    ),
    row(
        "microsoft/deberta-v2-xlarge-mnli", V2,
        deberta((1536, 24, 6144), conv_kernel_size=3, conv_act="gelu", attention_head_size=64), PIECES,
        ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"),
    ),
    row("microsoft/deberta-base", "DebertaModel", first_deberta(BASE), BYTES),
    row(
        "microsoft/deberta-large-mnli", "DebertaForSequenceClassification", first_deberta(LARGE), BYTES,
        ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), task=ZERO_SHOT, card=ZERO_SHOT,
    ),
    row(
        "facebook/bart-large-mnli", "BartForSequenceClassification", bart(1024, 16, 4096),
        byte_level(model_max_length=1024, tokenizer_class="BartTokenizer"),
        ("contradiction", "neutral", "entailment"), task=ZERO_SHOT, card=ZERO_SHOT, longest=1024,
    ),
    row(
        "valhalla/distilbart-mnli-12-1", "BartForSequenceClassification", bart(1024, 16, 4096),
        byte_level(model_max_length=1024, has_json=False, tokenizer_class="BartTokenizer"),
        ("contradiction", "neutral", "entailment"), task=ZERO_SHOT, card=ZERO_SHOT, longest=1024,
    ),
)  # fmt: skip
