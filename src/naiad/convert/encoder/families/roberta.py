"""RoBERTa and its kin: positions begin after the padding index, heads of their own."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, Classifier, LanguageHead, LayerNames

ROBERTA_LANGUAGE = LanguageHead(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder.weight", ("lm_head.decoder.bias", "lm_head.bias")
)

ROBERTA = Architecture(
    base="roberta",
    classifier=Classifier("classifier.dense", "classifier.out_proj"),
    language=ROBERTA_LANGUAGE,
    defaults={"vocab_size": 50265, "pad_token_id": 1},
)

CAMEMBERT = replace(ROBERTA, defaults={"pad_token_id": 1})

XLM_ROBERTA = replace(
    CAMEMBERT,
    names=LayerNames(packed="mixer.Wqkv"),
    respelled={
        "emb_ln.": "embeddings.LayerNorm.",
        "encoder.layers.": "encoder.layer.",
        ".mixer.out_proj.": ".attention.output.dense.",
        ".norm1.": ".attention.output.LayerNorm.",
        ".mlp.fc1.": ".intermediate.dense.",
        ".mlp.fc2.": ".output.dense.",
        ".norm2.": ".output.LayerNorm.",
    },
)
"""Respelled: Jina's code for flash attention, in whose words jina-reranker-v2 is published."""

DATA2VEC = replace(CAMEMBERT, base="data2vec_text")

MPNET = Architecture(
    base="mpnet",
    classifier=Classifier("classifier.dense", "classifier.out_proj"),
    language=ROBERTA_LANGUAGE,
    names=LayerNames(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_out="attention.attn.o",
        attention_norm="attention.LayerNorm",
    ),
    relative_positions="encoder.relative_attention_bias.weight",
    has_type_ids=False,
    defaults={"vocab_size": 30527, "pad_token_id": 1},
)
