"""BERT with English vocabularies."""

from __future__ import annotations

from published.sizes import (
    BASE,
    BINARY,
    CONLL,
    GO_EMOTIONS,
    LARGE,
    MINI,
    SENTIMENT,
    SMALL,
    TINY,
    bert,
    cased,
    numbered,
    row,
    uncased,
)  # fmt: skip

TOXIC = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

ROWS = (
    row("google-bert/bert-base-uncased", "BertForMaskedLM", bert(BASE, 30522), uncased(), old_weights=True),
    row("google-bert/bert-large-uncased", "BertForMaskedLM", bert(LARGE, 30522), uncased()),
    row("google-bert/bert-base-cased", "BertForMaskedLM", bert(BASE, 28996), cased(), old_weights=True),
    row(
        "google-bert/bert-large-uncased-whole-word-masking-finetuned-squad",
        "BertForQuestionAnswering",
        bert(LARGE, 30522),
        uncased(),
    ),
    row("prajjwal1/bert-tiny", "BertModel", bert(TINY, 30522), uncased(has_json=False)),
    row("google/bert_uncased_L-4_H-512_A-8", "BertForMaskedLM", bert(SMALL, 30522), uncased(has_json=False)),
    row("huawei-noah/TinyBERT_General_4L_312D", "BertModel", bert((312, 12, 1200), 30522), uncased(has_json=False)),
    row("microsoft/MiniLM-L12-H384-uncased", "BertModel", bert(MINI, 30522), uncased(has_json=False)),
    row("dslim/bert-base-NER", "BertForTokenClassification", bert(BASE, 28996), cased(), CONLL),
    row(
        "dbmdz/bert-large-cased-finetuned-conll03-english",
        "BertForTokenClassification",
        bert(LARGE, 28996),
        cased(has_json=False),
        ("I-PER", "B-PER", "I-MISC", "B-MISC", "O", "I-LOC", "B-LOC", "I-ORG", "B-ORG"),
    ),
    row(
        "ProsusAI/finbert",
        "BertForSequenceClassification",
        bert(BASE, 30522),
        uncased(has_json=False),
        ("positive", "negative", "neutral"),
    ),
    row(
        "unitary/toxic-bert",
        "BertForSequenceClassification",
        bert(BASE, 30522, problem_type="multi_label_classification"),
        uncased(),
        TOXIC,
    ),
    row(
        "bhadresh-savani/bert-base-go-emotion",
        "BertForSequenceClassification",
        bert(BASE, 30522, problem_type="multi_label_classification"),
        uncased(),
        GO_EMOTIONS,
    ),
    row(
        "textattack/bert-base-uncased-SST-2", "BertForSequenceClassification", bert(BASE, 30522), uncased(), numbered(2)
    ),
    row("yiyanghkust/finbert-tone", "BertForSequenceClassification", bert(BASE, 30873), uncased(30873), SENTIMENT),
    row("deepset/bert-base-cased-squad2", "BertForQuestionAnswering", bert(BASE, 28996), cased()),
    row("deepset/minilm-uncased-squad2", "BertForQuestionAnswering", bert(MINI, 30522), uncased()),
    row(
        "emilyalsentzer/Bio_ClinicalBERT", "BertForMaskedLM", bert(BASE, 28996), cased(has_json=False), old_weights=True
    ),
    row("allenai/scibert_scivocab_uncased", "BertModel", bert(BASE, 31090), uncased(31090, has_json=False)),
    row(
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
        "BertForMaskedLM",
        bert(BASE, 30522),
        uncased(has_json=False),
    ),
    row("nlpaueb/legal-bert-base-uncased", "BertForMaskedLM", bert(BASE, 30522), uncased()),
    row(
        "mrm8488/bert-tiny-finetuned-sms-spam-detection",
        "BertForSequenceClassification",
        bert(TINY, 30522),
        uncased(has_json=False),
        BINARY,
    ),
)
