"""ModernBERT."""

from __future__ import annotations

from naiad.convert.encoder.families.architecture import Architecture, Classifier, LanguageHead, LayerNames, TokenHead

MODERNBERT = Architecture(
    base="model",
    body="modern",
    classifier=Classifier("head.dense", "classifier", activation="", norm="head.norm"),
    language=LanguageHead("head.dense", "head.norm", "decoder.weight", ("decoder.bias",)),
    tokens=TokenHead(answers="classifier", transformed=True),
    words="embeddings.tok_embeddings.weight",
    names=LayerNames(
        packed="attn.Wqkv",
        attention_out="attn.Wo",
        attention_norm="attn_norm",
        ffn_in="mlp.Wi.in",
        ffn_gate="mlp.Wi.gate",
        ffn_packed="mlp.Wi",
        ffn_out="mlp.Wo",
        ffn_norm="mlp_norm",
    ),
    layer="layers.{layer}",
    embedding_norm="embeddings.norm",
    final_norm="final_norm",
    has_type_ids=False,
    spelling={
        "hidden_act": ("hidden_activation", "hidden_act"),
        "layer_norm_eps": "norm_eps",
        "attention_in_bias": "attention_bias",
        "attention_out_bias": "attention_bias",
        "ffn_in_bias": "mlp_bias",
        "ffn_out_bias": "mlp_bias",
        "full_attention_theta": "global_rope_theta",
        "sliding_attention_theta": "local_rope_theta",
    },
    defaults={
        "vocab_size": 50368,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "max_position_embeddings": 8192,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 50283,
        "norm_bias": False,
        **dict.fromkeys(("attention_in_bias", "attention_out_bias", "ffn_in_bias", "ffn_out_bias"), False),
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "full_attention_theta": 160_000.0,
        "sliding_attention_theta": 10_000.0,
        "classifier_bias": False,
        "classifier_activation": "gelu",
        "classifier_pooling": "cls",
        "decoder_bias": True,
    },
)
