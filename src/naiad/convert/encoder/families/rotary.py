"""Post-norm families with rotary positions: RoFormer, NomicBERT, GTE (model types `new` and `gte`), Jina embeddings v3.

Weights are called as transformers calls them; `respelled` has the words of the models' own code.
"""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, Classifier, LanguageHead, LayerNames
from naiad.convert.encoder.families.bert import BERT

_NAMES = LayerNames(
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    attention_out="self_attn.o_proj",
    attention_norm="post_attention_layernorm",
    ffn_in="mlp.up_proj",
    ffn_gate="mlp.gate_proj",
    ffn_out="mlp.down_proj",
    ffn_norm="post_mlp_layernorm",
    packed="self_attn.Wqkv",
)

_FLASH = {
    "emb_ln.": "embeddings.LayerNorm.",
    "encoder.layers.": "layers.",
    ".attn.out_proj.": ".self_attn.o_proj.",
    ".attn.Wqkv.": ".self_attn.Wqkv.",
    ".mixer.out_proj.": ".self_attn.o_proj.",
    ".mixer.Wqkv.": ".self_attn.Wqkv.",
    ".norm1.": ".post_attention_layernorm.",
    ".norm2.": ".post_mlp_layernorm.",
}
"""The words of flash-attention's BERT, from which NomicBERT and Jina's code come."""

_BERT_PREDICTIONS = LanguageHead(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.layer_norm",
    "cls.predictions.decoder.weight",
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    activation="",
)

NOMIC = Architecture(
    base="nomic_bert",
    body="rotary-post-norm",
    classifier=Classifier("pooler.dense", "classifier", in_body=True),
    language=_BERT_PREDICTIONS,
    names=_NAMES,
    layer="layers.{layer}",
    spelling={"head_size": "head_dim"},
    defaults={
        "vocab_size": 30528,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rope_theta": 1000.0,
        **dict.fromkeys(("attention_in_bias", "attention_out_bias", "ffn_in_bias", "ffn_out_bias"), False),
    },
    respelled={
        **_FLASH,
        ".mlp.fc11.": ".mlp.up_proj.",
        ".mlp.fc12.": ".mlp.gate_proj.",
        ".mlp.fc2.": ".mlp.down_proj.",
    },
)

NOMIC_FLASH = replace(
    NOMIC,
    base="bert",
    body="nomic",
    gates={"swiglu": "silu", "geglu": "gelu"},
    respelled={**NOMIC.respelled, ".mlp.fc1.": ".mlp.up_proj."},
    spelling={
        "hidden_size": "n_embd",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
        "intermediate_size": "n_inner",
        "hidden_act": "activation_function",
        "layer_norm_eps": "layer_norm_epsilon",
        "max_position_embeddings": "n_positions",
        "rope_theta": "rotary_emb_base",
        "partial_rotary_factor": "rotary_emb_fraction",
        "attention_in_bias": "qkv_proj_bias",
        "attention_out_bias": "qkv_proj_bias",
        "ffn_in_bias": "mlp_fc1_bias",
        "ffn_out_bias": "mlp_fc2_bias",
    },
    defaults={
        "vocab_size": 50257,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 1024,
        "max_trained_positions": 2048,
        "pad_vocab_size_multiple": 1,
        "rope_theta": 10_000.0,
        "partial_rotary_factor": 0.0,
        "rotary_emb_interleaved": False,
    },
    harmless={
        "prenorm": (None, False),
        "parallel_block": (None, False),
        "causal": (None, False),
        "use_rms_norm": (None, False),
        "scale_attn_weights": (None, True),
        "scale_attn_by_inverse_layer_idx": (None, False),
        "rotary_emb_scale_base": (None,),
        "num_experts": (None, 0),
    },
)
"""NomicBERT with config.json as its own code writes it."""

NEW = Architecture(
    base="new",
    body="rotary-post-norm",
    classifier=Classifier("pooler.dense", "classifier", in_body=True),
    language=LanguageHead(
        "lm_head.dense",
        "lm_head.layer_norm",
        "lm_head.decoder.weight",
        ("lm_head.decoder.bias", "lm_head.bias"),
        activation="",
    ),
    names=replace(_NAMES, packed="self_attn.qkv_proj", ffn_packed="mlp.up_gate_proj", gate_first=False),
    layer="layers.{layer}",
    defaults={
        "vocab_size": 30528,
        "max_position_embeddings": 2048,
        "type_vocab_size": 1,
        "rope_theta": 10_000.0,
        "ffn_in_bias": False,
    },
    harmless={
        "layer_norm_type": (None, "layer_norm"),
        "logn_attention_scale": (None, False),
        "logn_attention_clip1": (None, False),
    },
    respelled={
        "encoder.layer.": "layers.",
        ".attention.": ".self_attn.",
        ".attn_ln.": ".post_attention_layernorm.",
        ".mlp_ln.": ".post_mlp_layernorm.",
        "lm_head.norm.": "lm_head.layer_norm.",
    },
)
"""GTE's own code."""

GTE = replace(
    NEW,
    base="gte",
    language=LanguageHead(
        "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder.weight", ("lm_head.decoder.bias", "lm_head.bias")
    ),
    defaults={
        **NEW.defaults,
        "vocab_size": 250048,
        "max_position_embeddings": 8192,
        "pad_token_id": 1,
        "rope_theta": 160_000.0,
    },
)

JINA_V3 = Architecture(
    base="roberta",
    body="rotary-post-norm",
    classifier=Classifier("classifier.dense", "classifier.out_proj"),
    language=LanguageHead(
        "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder.weight", ("lm_head.decoder.bias", "lm_head.bias")
    ),
    names=replace(_NAMES, ffn_in="mlp.fc1", ffn_gate="", ffn_out="mlp.fc2"),
    layer="layers.{layer}",
    defaults={
        "vocab_size": 250002,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 8194,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "rope_theta": 20_000.0,
    },
    respelled=_FLASH,
)

ROFORMER = replace(
    BERT,
    base="roformer",
    body="roformer",
    classifier=Classifier("classifier.dense", "classifier.out_proj", activation=""),
    embedding_projection="embeddings_project",
    spelling={"embedding_size": ("embedding_size", "hidden_size")},
    defaults={
        "vocab_size": 50000,
        "embedding_size": 768,
        "max_position_embeddings": 1536,
        "rope_theta": 10_000.0,
    },
    harmless={"rotary_value": (None, False)},
)
