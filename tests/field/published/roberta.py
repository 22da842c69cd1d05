"""RoBERTa, CamemBERT and BERTs with tokenizers of that kind."""

from __future__ import annotations

from typing import Any

from published.row import Vocabulary
from published.sizes import (
    BASE,
    GO_EMOTIONS,
    LARGE,
    NLI,
    SENTIMENT,
    byte_level,
    cased,
    numbered,
    roberta,
    row,
)  # fmt: skip

CLASSIFIER = "RobertaForSequenceClassification"
CAMEMBERT: dict[str, Any] = {**roberta(BASE, 32005), "model_type": "camembert"}
FRENCH = Vocabulary(
    kind="camembert", size=32005, config={"model_max_length": 512, "tokenizer_class": "CamembertTokenizer"}
)

ROWS = (
    row("FacebookAI/roberta-base", "RobertaForMaskedLM", roberta(BASE), byte_level()),
    row("FacebookAI/roberta-large", "RobertaForMaskedLM", roberta(LARGE), byte_level()),
    row("distilbert/distilroberta-base", "RobertaForMaskedLM", roberta(BASE), byte_level()),
    row(
        "cardiffnlp/twitter-roberta-base-sentiment-latest", CLASSIFIER, roberta(BASE), byte_level(has_json=False),
        SENTIMENT,
    ),
    row("cardiffnlp/twitter-roberta-base-sentiment", CLASSIFIER, roberta(BASE), byte_level(has_json=False), numbered(3)),
    row(
        "SamLowe/roberta-base-go_emotions", CLASSIFIER, roberta(BASE, problem_type="multi_label_classification"),
        byte_level(), GO_EMOTIONS,
    ),
    row(
        "j-hartmann/emotion-english-distilroberta-base", CLASSIFIER, roberta(BASE), byte_level(),
        ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"),
    ),
    row("siebert/sentiment-roberta-large-english", CLASSIFIER, roberta(LARGE), byte_level(), ("NEGATIVE", "POSITIVE")),
    row(
        "FacebookAI/roberta-large-mnli", CLASSIFIER, roberta(LARGE), byte_level(),
        ("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), task="zero-shot-classification", card="zero-shot-classification",
    ),
    row("openai-community/roberta-base-openai-detector", CLASSIFIER, roberta(BASE), byte_level(), ("Fake", "Real")),
    row("cross-encoder/stsb-roberta-base", CLASSIFIER, roberta(BASE), byte_level(), ("LABEL_0",), task="text-ranking"),
    row("cross-encoder/nli-roberta-base", CLASSIFIER, roberta(BASE), byte_level(), NLI),
    row("deepset/roberta-base-squad2", "RobertaForQuestionAnswering", roberta(BASE), byte_level(has_json=False)),
    row("deepset/tinyroberta-squad2", "RobertaForQuestionAnswering", roberta(BASE), byte_level()),
    row(
        "Jean-Baptiste/roberta-large-ner-english", "RobertaForTokenClassification", roberta(LARGE),
        byte_level(add_prefix_space=True), ("O", "PER", "ORG", "LOC", "MISC"),
    ),
    row("microsoft/codebert-base", "RobertaModel", roberta(BASE), byte_level(has_json=False)),
    row("microsoft/unixcoder-base", "RobertaModel", roberta(BASE, 51416, max_position_embeddings=1026),
        byte_level(51416, has_json=False, model_max_length=1024)),
    row("klue/roberta-small", "RobertaForMaskedLM", roberta(BASE, 32000), cased(32000)),
    row("almanach/camembert-base", "CamembertForMaskedLM", CAMEMBERT, FRENCH),
    row(
        "Jean-Baptiste/camembert-ner", "CamembertForTokenClassification", CAMEMBERT, FRENCH,
        ("O", "I-LOC", "I-PER", "I-MISC", "I-ORG"),
    ),
    row(
        "cmarkea/distilcamembert-base-sentiment", "CamembertForSequenceClassification", CAMEMBERT, FRENCH,
        ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
    ),
    row("dangvantuan/sentence-camembert-base", "CamembertModel", CAMEMBERT, FRENCH),
)  # fmt: skip
