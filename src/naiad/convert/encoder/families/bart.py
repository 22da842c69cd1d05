"""BART and mBART, as classifiers and for question answering; nothing is generated."""

from __future__ import annotations

from dataclasses import replace

from naiad.convert.encoder.families.architecture import Architecture, Classifier

BART = Architecture(
    base="model",
    body="bart",
    anchor="encoder.embed_positions.weight",
    heads=("embedding", "sequence-classification", "question-answering"),
    classifier=Classifier("classification_head.dense", "classification_head.out_proj"),
    has_type_ids=False,
    spelling={
        "hidden_size": "d_model",
        "num_attention_heads": "encoder_attention_heads",
        "num_hidden_layers": "encoder_layers",
        "intermediate_size": "encoder_ffn_dim",
        "hidden_act": "activation_function",
    },
    defaults={
        "vocab_size": 50265,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "num_hidden_layers": 12,
        "intermediate_size": 4096,
        "decoder_attention_heads": 16,
        "decoder_layers": 12,
        "decoder_ffn_dim": 4096,
        "max_position_embeddings": 1024,
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "scale_embedding": False,
        "tie_word_embeddings": True,
    },
)

MBART = replace(BART, body="mbart")
