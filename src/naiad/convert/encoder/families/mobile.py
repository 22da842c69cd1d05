"""Encoders made for small machines: MobileBERT and SqueezeBERT."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, LayerNames
from naiad.convert.encoder.families.bert import BERT

_LANGUAGE = BERT.language
assert _LANGUAGE is not None

MOBILEBERT = Architecture(
    base="mobilebert",
    body="mobile",
    classifier=BERT.classifier,
    language=replace(_LANGUAGE, width="hidden_size", further_columns="cls.predictions.dense.weight"),
    embedding_projection="embeddings.embedding_transformation",
    defaults={
        "hidden_size": 512,
        "embedding_size": 128,
        "num_hidden_layers": 24,
        "num_attention_heads": 4,
        "intermediate_size": 512,
        "hidden_act": "relu",
        "trigram_input": True,
        "use_bottleneck": True,
        "intra_bottleneck_size": 128,
        "use_bottleneck_attention": False,
        "key_query_shared_bottleneck": True,
        "num_feedforward_networks": 4,
        "normalization_type": "no_norm",
        "classifier_activation": True,
    },
)

SQUEEZEBERT = Architecture(
    base="transformer",
    body="squeeze",
    classifier=BERT.classifier,
    language=_LANGUAGE,
    layer="encoder.layers.{layer}",
    names=LayerNames(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention_out="post_attention.conv1d",
        attention_norm="post_attention.layernorm",
        ffn_in="intermediate.conv1d",
        ffn_out="output.conv1d",
        ffn_norm="output.layernorm",
    ),
)
