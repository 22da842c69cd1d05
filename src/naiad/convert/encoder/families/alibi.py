"""JinaBERT v2, whose config.json has the model type `bert`."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import LayerNames
from naiad.convert.encoder.families.bert import BERT

JINA_BERT = replace(
    BERT,
    body="alibi",
    names=LayerNames(
        ffn_in="mlp.up_layer",
        ffn_gate="mlp.gate_layer",
        ffn_packed="mlp.gated_layers",
        ffn_out="mlp.wo",
        ffn_norm="mlp.layernorm",
    ),
    gates={"geglu": "gelu", "reglu": "relu"},
    spelling={"hidden_act": "feed_forward_type"},
    defaults={"hidden_act": "geglu", "ffn_in_bias": False},
)
