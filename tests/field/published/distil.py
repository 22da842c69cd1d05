"""DistilBERT in the tasks it is most used for."""

from __future__ import annotations

from published.sizes import BINARY, CONLL, EMOTIONS, cased, distilbert, numbered, row, uncased

ROWS = (
    row("distilbert/distilbert-base-uncased", "DistilBertForMaskedLM", distilbert(tie_weights_=True), uncased()),
    row("distilbert/distilbert-base-cased", "DistilBertForMaskedLM", distilbert(28996), cased()),
    row("distilbert/distilbert-base-multilingual-cased", "DistilBertForMaskedLM", distilbert(119547), cased(119547)),
    row(
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english", "DistilBertForSequenceClassification",
        distilbert(finetuning_task="sst-2"), uncased(), BINARY,
    ),
    row(
        "distilbert/distilbert-base-cased-distilled-squad", "DistilBertForQuestionAnswering", distilbert(28996), cased(),
    ),
    row("distilbert/distilbert-base-uncased-distilled-squad", "DistilBertForQuestionAnswering", distilbert(), uncased()),
    row(
        "bhadresh-savani/distilbert-base-uncased-emotion", "DistilBertForSequenceClassification",
        distilbert(problem_type="single_label_classification"), uncased(), EMOTIONS,
    ),
    row(
        "lxyuan/distilbert-base-multilingual-cased-sentiments-student", "DistilBertForSequenceClassification",
        distilbert(119547), cased(119547), ("positive", "neutral", "negative"),
    ),
    row(
        "typeform/distilbert-base-uncased-mnli", "DistilBertForSequenceClassification", distilbert(), uncased(),
        ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), task="zero-shot-classification", card="zero-shot-classification",
    ),
    row("dslim/distilbert-NER", "DistilBertForTokenClassification", distilbert(28996), cased(), CONLL),
    row(
        "elastic/distilbert-base-uncased-finetuned-conll03-english", "DistilBertForTokenClassification", distilbert(),
        uncased(), CONLL,
    ),
    row("d4data/biomedical-ner-all", "DistilBertForTokenClassification", distilbert(), uncased(), numbered(84)),
    row(
        "martin-ha/toxic-comment-model", "DistilBertForSequenceClassification", distilbert(), uncased(),
        ("non-toxic", "toxic"),
    ),
)  # fmt: skip
