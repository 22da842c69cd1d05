"""BERT and what was made of it: ERNIE, DistilBERT, ELECTRA, ALBERT, RemBERT."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, Classifier, LanguageHead, LayerNames

BERT = Architecture(
    base="bert",
    classifier=Classifier("pooler.dense", "classifier", in_body=True),
    language=LanguageHead(
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.decoder.weight",
        ("cls.predictions.decoder.bias", "cls.predictions.bias"),
        activation="",
    ),
)

ERNIE = replace(BERT, base="ernie", defaults={"task_type_vocab_size": 3})

DISTILBERT = Architecture(
    base="distilbert",
    classifier=Classifier("pre_classifier", "classifier", activation="relu"),
    language=LanguageHead(
        "vocab_transform",
        "vocab_layer_norm",
        "vocab_projector.weight",
        ("vocab_projector.bias",),
        activation="",
    ),
    names=LayerNames(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_out="attention.out_lin",
        attention_norm="sa_layer_norm",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
        ffn_norm="output_layer_norm",
    ),
    layer="transformer.layer.{layer}",
    has_type_ids=False,
    spelling={
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
    },
    defaults={"num_hidden_layers": 6},
)

ELECTRA = Architecture(
    base="electra",
    classifier=Classifier("classifier.dense", "classifier.out_proj", activation="gelu"),
    language=LanguageHead(
        "generator_predictions.dense",
        "generator_predictions.LayerNorm",
        "generator_lm_head.weight",
        ("generator_lm_head.bias",),
    ),
    embedding_projection="embeddings_project",
    defaults={
        "hidden_size": 256,
        "embedding_size": 128,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
)

ALBERT = Architecture(
    base="albert",
    classifier=Classifier("pooler", "classifier", in_body=True),
    language=LanguageHead(
        "predictions.dense",
        "predictions.LayerNorm",
        "predictions.decoder.weight",
        ("predictions.decoder.bias", "predictions.bias"),
        activation="",
    ),
    names=LayerNames(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention_out="attention.dense",
        attention_norm="attention.LayerNorm",
        ffn_in="ffn",
        ffn_out="ffn_output",
        ffn_norm="full_layer_layer_norm",
    ),
    layer="encoder.albert_layer_groups.{group}.albert_layers.{inner}",
    embedding_projection="encoder.embedding_hidden_mapping_in",
    defaults={
        "vocab_size": 30000,
        "hidden_size": 4096,
        "embedding_size": 128,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
    },
)

REMBERT = Architecture(
    base="rembert",
    classifier=Classifier("pooler.dense", "classifier", in_body=True),
    language=LanguageHead(
        "cls.predictions.dense",
        "cls.predictions.LayerNorm",
        "cls.predictions.decoder.weight",
        ("cls.predictions.decoder.bias",),
        activation="",
        width="output_embedding_size",
    ),
    embedding_projection="encoder.embedding_hidden_mapping_in",
    spelling={"embedding_size": "input_embedding_size"},
    defaults={
        "vocab_size": 250300,
        "hidden_size": 1152,
        "num_hidden_layers": 32,
        "num_attention_heads": 18,
        "embedding_size": 256,
        "output_embedding_size": 1664,
        "intermediate_size": 4608,
    },
)
