"""DeBERTa, its first version and the two that followed."""

from __future__ import annotations

from naiad.convert.encoder.families.architecture import Architecture, Classifier, LanguageHead, LayerNames

_LANGUAGE = LanguageHead(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.decoder.weight",
    ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    activation="",
)

_SPELLING = {"embedding_size": ("embedding_size", "hidden_size")}

_DEFAULTS = {
    "layer_norm_eps": 1e-7,
    "type_vocab_size": 0,
    "relative_attention": False,
    "max_relative_positions": -1,
    "position_buckets": -1,
    "position_biased_input": True,
    "pos_att_type": (),
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "conv_kernel_size": 0,
    "conv_groups": 1,
    "conv_act": "tanh",
    "pooler_hidden_act": "gelu",
    "legacy": True,
}

DEBERTA_V2 = Architecture(
    base="deberta",
    body="deberta-v2",
    classifier=Classifier("pooler.dense", "classifier"),
    language=_LANGUAGE,
    names=LayerNames(
        query="attention.self.query_proj", key="attention.self.key_proj", value="attention.self.value_proj"
    ),
    embedding_projection="embeddings.embed_proj",
    spelling=_SPELLING,
    defaults={
        **_DEFAULTS,
        "vocab_size": 128100,
        "hidden_size": 1536,
        "embedding_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
    },
)

DEBERTA = Architecture(
    base="deberta",
    body="deberta",
    classifier=Classifier("pooler.dense", "classifier"),
    language=_LANGUAGE,
    embedding_projection="embeddings.embed_proj",
    spelling=_SPELLING,
    defaults={**_DEFAULTS, "vocab_size": 50265, "embedding_size": 768},
)
