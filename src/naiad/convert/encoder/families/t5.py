"""T5's encoder and those of its kin; their decoders are not converted."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, LayerNames
from naiad.core.encoding.positions import UNBOUNDED

T5 = Architecture(
    base="transformer",
    body="t5",
    heads=("embedding", "token-classification"),
    needs_decoder=("T5Model", "MT5Model"),
    words="shared.weight",
    anchor="encoder.final_layer_norm.weight",
    embedding_norm="",
    final_norm="encoder.final_layer_norm",
    layer="encoder.block.{layer}",
    names=LayerNames(
        query="layer.0.SelfAttention.q",
        key="layer.0.SelfAttention.k",
        value="layer.0.SelfAttention.v",
        attention_out="layer.0.SelfAttention.o",
        attention_norm="layer.0.layer_norm",
        ffn_in="layer.1.DenseReluDense.wi_1",
        ffn_gate="layer.1.DenseReluDense.wi_0",
        ffn_out="layer.1.DenseReluDense.wo",
        ffn_norm="layer.1.layer_norm",
    ),
    has_type_ids=False,
    spelling={
        "hidden_size": "d_model",
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "num_layers",
        "intermediate_size": "d_ff",
        "head_size": "d_kv",
        "layer_norm_eps": "layer_norm_epsilon",
    },
    defaults={
        "vocab_size": 32128,
        "hidden_size": 512,
        "num_attention_heads": 8,
        "num_hidden_layers": 6,
        "intermediate_size": 2048,
        "head_size": 64,
        "layer_norm_eps": 1e-6,
        "max_position_embeddings": UNBOUNDED,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "relu",
        **dict.fromkeys(("attention_in_bias", "attention_out_bias", "ffn_in_bias", "ffn_out_bias"), False),
    },
)

MT5 = replace(
    T5,
    defaults={
        **T5.defaults,
        "vocab_size": 250112,
        "num_attention_heads": 6,
        "num_hidden_layers": 8,
        "intermediate_size": 1024,
        "feed_forward_proj": "gated-gelu",
    },
)
