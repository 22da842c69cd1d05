"""ELECTRA, ALBERT and cross-encoders."""

from __future__ import annotations

from typing import Any

from published.row import Sentence, Vocabulary
from published.sizes import BASE, EMOTIONS, MINI, TINY, bert, cased, numbered, row, uncased, widths

RANKER = "BertForSequenceClassification"


def electra(
    width: int, heads: int, inner: int, embedding: int, vocab_size: int = 30522, **others: Any
) -> dict[str, Any]:
    """config.json of an ELECTRA."""
    return {
        **bert((width, heads, inner), vocab_size),
        "model_type": "electra",
        "embedding_size": embedding,
        "summary_type": "first",
        "summary_use_proj": True,
        **others,
    }


ALBERT = {
    "model_type": "albert",
    **widths(BASE),
    "vocab_size": 30000,
    "embedding_size": 128,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
PIECES = Vocabulary(
    kind="albert",
    size=30000,
    config={"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "AlbertTokenizer"},
)

ROWS = (
    row("google/electra-small-discriminator", "ElectraModel", electra(256, 4, 1024, 128), uncased()),
    row("google/electra-small-generator", "ElectraForMaskedLM", electra(256, 4, 1024, 128), uncased()),
    row("google/electra-base-generator", "ElectraForMaskedLM", electra(256, 4, 1024, 768), uncased()),
    row("google/electra-base-discriminator", "ElectraModel", electra(768, 12, 3072, 768), uncased()),
    row("deepset/electra-base-squad2", "ElectraForQuestionAnswering", electra(768, 12, 3072, 768), uncased()),
    row(
        "bhadresh-savani/electra-base-emotion", "ElectraForSequenceClassification", electra(768, 12, 3072, 768),
        uncased(), EMOTIONS,
    ),
    row(
        "monologg/koelectra-base-v3-discriminator", "ElectraModel", electra(768, 12, 3072, 768, 35000),
        cased(35000, has_json=False),
    ),
    row(
        "cross-encoder/ms-marco-electra-base", "ElectraForSequenceClassification", electra(768, 12, 3072, 768),
        uncased(), numbered(1), task="text-ranking",
    ),
    row("albert/albert-base-v2", "AlbertForMaskedLM", ALBERT, PIECES),
    row(
        "textattack/albert-base-v2-imdb", "AlbertForSequenceClassification", ALBERT, PIECES, numbered(2),
    ),
    row("twmkn9/albert-base-v2-squad2", "AlbertForQuestionAnswering", ALBERT, PIECES),
    row(
        "sentence-transformers/paraphrase-albert-small-v2", "AlbertModel", {**ALBERT, "hidden_act": "gelu"}, PIECES,
        sentence=Sentence(max_seq_length=100),
    ),
    row(
        "cross-encoder/ms-marco-MiniLM-L6-v2", RANKER,
        bert(MINI, 30522, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"}),
        uncased(), numbered(1), task="text-ranking",
    ),
    row("cross-encoder/ms-marco-MiniLM-L12-v2", RANKER,
        bert(MINI, 30522, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity"), uncased(), numbered(1), task="text-ranking"),
    row("cross-encoder/ms-marco-TinyBERT-L2-v2", RANKER, bert(TINY, 30522), uncased(), numbered(1), task="text-ranking"),
)  # fmt: skip
