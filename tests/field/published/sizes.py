"""Sizes, tokenizers and label sets that many checkpoints share, and `row`, which makes a line of the table short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from published.row import Published, Sentence, Vocabulary

Sizes = tuple[int, int, int]
"""Hidden size, attention heads, intermediate size."""

TINY: Sizes = (128, 2, 512)
SMALL: Sizes = (512, 8, 2048)
MINI: Sizes = (384, 12, 1536)
BASE: Sizes = (768, 12, 3072)
LARGE: Sizes = (1024, 16, 4096)

TASKS = {
    "MaskedLM": "fill-mask",
    "SequenceClassification": "text-classification",
    "TokenClassification": "token-classification",
    "QuestionAnswering": "question-answering",
}
"""How transformers' classes end, and the task where nothing else is said; the bare model embeds."""

CONLL = ("O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
HRL = ("O", "B-DATE", "I-DATE", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
SENTIMENT = ("negative", "neutral", "positive")
BINARY = ("NEGATIVE", "POSITIVE")
STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
EMOTIONS = ("sadness", "joy", "love", "anger", "fear", "surprise")
NLI = ("contradiction", "entailment", "neutral")
GO_EMOTIONS = tuple(
    [
        "admiration",
        "amusement",
        "anger",
        "annoyance",
        "approval",
        "caring",
        "confusion",
        "curiosity",
        "desire",
        "disappointment",
        "disapproval",
        "disgust",
        "embarrassment",
        "excitement",
        "fear",
        "gratitude",
        "grief",
        "joy",
        "love",
        "nervousness",
        "optimism",
        "pride",
        "realization",
        "relief",
        "remorse",
        "sadness",
        "surprise",
        "neutral",
    ]
)


def numbered(count: int) -> tuple[str, ...]:
    """Labels of a checkpoint whose author named none."""
    return tuple(f"LABEL_{at}" for at in range(count))


def row(
    name: str, model: str, config: dict[str, Any], vocabulary: Vocabulary, labels: Sequence[str] = (), **others: Any
) -> Published:
    """A line of the table; the task follows from the class, the longest text from the positions, unless they are told."""
    task = TASKS.get(model.partition("For")[2], "feature-extraction")
    positions = config.get("max_position_embeddings", 512)
    longest = positions - 2 if config.get("pad_token_id") == 1 and config["model_type"] != "mpnet" else positions
    sentence: Sentence | None = others.get("sentence")
    if sentence is not None and sentence.max_seq_length is not None:
        longest = sentence.max_seq_length
    told = {"task": task, "longest": longest, **others}
    return Published(name=name, model=model, config=config, vocabulary=vocabulary, labels=tuple(labels), **told)


def widths(sizes: Sizes) -> dict[str, int]:
    """The three sizes as BERT's kin spell them."""
    return dict(zip(("hidden_size", "num_attention_heads", "intermediate_size"), sizes, strict=True))


def bert(sizes: Sizes, vocab_size: int, **others: Any) -> dict[str, Any]:
    """config.json of a BERT."""
    return {
        "model_type": "bert",
        **widths(sizes),
        "vocab_size": vocab_size,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        **others,
    }


def roberta(sizes: Sizes, vocab_size: int = 50265, **others: Any) -> dict[str, Any]:
    """config.json of a RoBERTa; positions begin at 2, so of 514 there are 512."""
    return {
        "model_type": "roberta",
        **widths(sizes),
        "vocab_size": vocab_size,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        **others,
    }


def distilbert(vocab_size: int = 30522, **others: Any) -> dict[str, Any]:
    """config.json of a DistilBERT."""
    return {
        "model_type": "distilbert",
        "dim": 768,
        "n_heads": 12,
        "hidden_dim": 3072,
        "vocab_size": vocab_size,
        "max_position_embeddings": 512,
        "activation": "gelu",
        "pad_token_id": 0,
        "sinusoidal_pos_embds": False,
        **others,
    }


def uncased(size: int = 30522, *, has_json: bool = True, **config: Any) -> Vocabulary:
    """WordPiece in lower case."""
    flags = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer", **config}
    return Vocabulary(kind="wordpiece", size=size, config=flags, has_json=has_json)


def cased(size: int = 28996, *, has_json: bool = True, **config: Any) -> Vocabulary:
    """WordPiece that keeps case."""
    flags = {"do_lower_case": False, "model_max_length": 512, "tokenizer_class": "BertTokenizer", **config}
    return Vocabulary(kind="wordpiece", size=size, cased=True, config=flags, has_json=has_json)


def byte_level(size: int = 50265, *, has_json: bool = True, **config: Any) -> Vocabulary:
    """Byte-level BPE, as RoBERTa has it."""
    flags = {"model_max_length": 512, "tokenizer_class": "RobertaTokenizer", **config}
    return Vocabulary(kind="byte-level", size=size, config=flags, has_json=has_json)


def xlm(size: int = 250002, *, has_json: bool = True, **config: Any) -> Vocabulary:
    """XLM-RoBERTa's sentencepiece."""
    flags = {"model_max_length": 512, "tokenizer_class": "XLMRobertaTokenizer", **config}
    return Vocabulary(kind="xlm-roberta", size=size, config=flags, has_json=has_json, made_by="XLMRobertaTokenizer")
