"""Families whose norms stand before attention and feed-forward."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import LayerNames
from naiad.convert.encoder.families.bert import BERT
from naiad.convert.encoder.families.roberta import ROBERTA

XLM_ROBERTA_XL = replace(
    ROBERTA,
    body="pre-norm",
    names=LayerNames(attention_norm="attention.self_attn_layer_norm", ffn_norm="LayerNorm"),
    embedding_norm="",
    final_norm="encoder.LayerNorm",
    defaults={
        **ROBERTA.defaults,
        "vocab_size": 250880,
        "hidden_size": 2560,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "intermediate_size": 10240,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    },
)

ROBERTA_PRELAYERNORM = replace(
    ROBERTA,
    base="roberta_prelayernorm",
    body="pre-norm",
    names=LayerNames(attention_norm="attention.LayerNorm", ffn_norm="intermediate.LayerNorm"),
    final_norm="LayerNorm",
    defaults={**ROBERTA.defaults, "vocab_size": 50265},
)

MEGATRON_BERT = replace(
    BERT,
    body="pre-norm",
    names=LayerNames(attention_norm="attention.ln", ffn_norm="ln"),
    embedding_norm="",
    final_norm="encoder.ln",
    defaults={
        "vocab_size": 29056,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
)
