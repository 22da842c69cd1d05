"""Newer encoders: ModernBERT, NomicBERT and GTE, with rotary positions and gated layers."""

from __future__ import annotations

from typing import Any

from published.row import Sentence, Vocabulary
from published.sizes import BASE, NLI, Sizes, numbered, row, uncased, widths, xlm

PIECES = Vocabulary(
    kind="modernbert",
    size=50368,
    config={
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 8192,
        "clean_up_tokenization_spaces": True,
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "mask_token": "[MASK]",
        "unk_token": "[UNK]",
        "model_input_names": ["input_ids", "attention_mask"],
    },
)
CLASSIFIER = "ModernBertForSequenceClassification"
MODERN: Sizes = (768, 12, 1152)
MODERN_LARGE: Sizes = (1024, 16, 2624)


def modernbert(sizes: Sizes, **others: Any) -> dict[str, Any]:
    """config.json of a ModernBERT, in the spelling of transformers 4."""
    return {
        "model_type": "modernbert",
        **widths(sizes),
        "vocab_size": 50368,
        "max_position_embeddings": 8192,
        "hidden_activation": "gelu",
        "norm_eps": 1e-5,
        "norm_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "decoder_bias": True,
        "classifier_bias": False,
        "classifier_activation": "gelu",
        "classifier_pooling": "mean",
        "global_attn_every_n_layers": 3,
        "local_attention": 128,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "position_embedding_type": "absolute",
        "pad_token_id": 50283,
        "bos_token_id": 50281,
        "cls_token_id": 50281,
        "eos_token_id": 50282,
        "sep_token_id": 50282,
        **others,
    }


NOMIC = {
    "model_type": "nomic_bert",
    **widths(BASE),
    "vocab_size": 30528,
    "max_position_embeddings": 2048,
    "type_vocab_size": 2,
    "hidden_act": "silu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0},
}
GTE = {
    "model_type": "gte",
    **widths(BASE),
    "vocab_size": 250048,
    "max_position_embeddings": 8192,
    "type_vocab_size": 1,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 1,
    "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0},
}

ROWS = (
    row("answerdotai/ModernBERT-base", "ModernBertForMaskedLM", modernbert(MODERN), PIECES),
    row("answerdotai/ModernBERT-large", "ModernBertForMaskedLM", modernbert(MODERN_LARGE), PIECES),
    row(
        "nomic-ai/modernbert-embed-base", "ModernBertModel", modernbert(MODERN), PIECES,
        sentence=Sentence(
            normalize=True, max_seq_length=8192, prompts={"query": "search_query: ", "document": "search_document: "}
        ),
    ),
    row(
        "Alibaba-NLP/gte-modernbert-base", "ModernBertModel", modernbert(MODERN), PIECES,
        sentence=Sentence(pooling="cls", max_seq_length=8192),
    ),
    row("tasksource/ModernBERT-base-nli", CLASSIFIER, modernbert(MODERN), PIECES, NLI),
    row(
        "MoritzLaurer/ModernBERT-large-zeroshot-v2.0", CLASSIFIER, modernbert(MODERN_LARGE), PIECES,
        ("entailment", "not_entailment"), task="zero-shot-classification", card="zero-shot-classification",
    ),
    row(
        "Alibaba-NLP/gte-reranker-modernbert-base", CLASSIFIER, modernbert(MODERN, classifier_pooling="cls"), PIECES,
        numbered(1), task="text-ranking",
    ),
    row(
        "nomic-ai/nomic-embed-text-v1.5", "NomicBertModel", NOMIC, uncased(model_max_length=8192),
        sentence=Sentence(max_seq_length=2048),
    ),
    row(
        "Alibaba-NLP/gte-multilingual-base", "GteModel", GTE, xlm(model_max_length=8192), longest=8192,
        sentence=Sentence(pooling="cls", normalize=True, max_seq_length=8192),
    ),
)  # fmt: skip
