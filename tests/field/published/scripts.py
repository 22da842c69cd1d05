"""Checkpoints whose tokenizers are classes of their own: Japanese, Vietnamese, Polish, tweets."""

from __future__ import annotations

from typing import Any

from published.row import Vocabulary
from published.sizes import BASE, bert, roberta, row


def japanese(size: int, kind: str, dictionary: str, **flags: Any) -> Vocabulary:
    """MeCab's words, then word pieces or characters."""
    config = {
        "do_lower_case": False,
        "model_max_length": 512,
        "tokenizer_class": "BertJapaneseTokenizer",
        "word_tokenizer_type": "mecab",
        "subword_tokenizer_type": kind,
        "mecab_kwargs": {"mecab_dic": dictionary},
        **flags,
    }
    return Vocabulary(kind="wordpiece", size=size, cased=True, config=config, has_json=False)


def fastbpe(name: str, longest: int, **flags: Any) -> Vocabulary:
    """PhoBERT's and BERTweet's files."""
    config = {"tokenizer_class": name, "model_max_length": longest, **flags}
    return Vocabulary(kind="fastbpe", size=64001, config=config, has_json=False)


HERBERT = Vocabulary(
    kind="herbert", size=50000, config={"tokenizer_class": "HerbertTokenizer", "model_max_length": 514}, has_json=False
)
PHOBERT = roberta(BASE, 64001, max_position_embeddings=258, tokenizer_class="PhobertTokenizer")
BERTWEET = roberta(BASE, 64001, max_position_embeddings=130, tokenizer_class="BertweetTokenizer")

ROWS = (
    row(
        "tohoku-nlp/bert-base-japanese", "BertForMaskedLM", bert(BASE, 32000), japanese(32000, "wordpiece", "ipadic"),
    ),
    row(
        "tohoku-nlp/bert-base-japanese-v3", "BertForMaskedLM", bert(BASE, 32768),
        japanese(32768, "wordpiece", "unidic_lite"),
    ),
    row("tohoku-nlp/bert-base-japanese-char", "BertForMaskedLM", bert(BASE, 4000), japanese(4000, "character", "ipadic")),
    row("tohoku-nlp/bert-base-japanese-char-v2", "BertModel", bert(BASE, 6144), japanese(6144, "character", "unidic_lite")),
    row("vinai/phobert-base", "RobertaForMaskedLM", PHOBERT, fastbpe("PhobertTokenizer", 256)),
    row("vinai/bertweet-base", "RobertaForMaskedLM", BERTWEET, fastbpe("BertweetTokenizer", 128)),
    row(
        "finiteautomata/bertweet-base-sentiment-analysis", "RobertaForSequenceClassification", BERTWEET,
        fastbpe("BertweetTokenizer", 128), ("NEG", "NEU", "POS"),
    ),
    row(
        "allegro/herbert-base-cased", "BertForMaskedLM",
        bert(BASE, 50000, max_position_embeddings=514, pad_token_id=1, tokenizer_class="HerbertTokenizer"), HERBERT,
        longest=514,
    ),
)  # fmt: skip
