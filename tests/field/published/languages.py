"""BERT and XLM-RoBERTa with vocabularies of other languages, or of many."""

from __future__ import annotations

from typing import Any

from published.row import Sentence
from published.sizes import (
    BASE,
    HRL,
    LARGE,
    MINI,
    SENTIMENT,
    SMALL,
    STARS,
    bert,
    cased,
    distilbert,
    numbered,
    roberta,
    row,
    uncased,
    xlm,
)  # fmt: skip

SPECIALS = {
    "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>",
    "unk_token": "<unk>", "mask_token": "<mask>",
}  # fmt: skip
LANGUAGES = tuple("ja nl ar pl de it pt tr es hi el ur bg en fr zh ru th sw vi".split())
MASKED, TAGGER, CLASSIFIER = "BertForMaskedLM", "BertForTokenClassification", "BertForSequenceClassification"


def xlmr(sizes: tuple[int, int, int], **others: Any) -> dict[str, Any]:
    """config.json of an XLM-RoBERTa."""
    return {**roberta(sizes, 250002), "model_type": "xlm-roberta", **others}


ROWS = (
    row("google-bert/bert-base-multilingual-cased", MASKED, bert(BASE, 119547), cased(119547)),
    row("google-bert/bert-base-multilingual-uncased", MASKED, bert(BASE, 105879), uncased(105879)),
    row("google-bert/bert-base-chinese", MASKED, bert(BASE, 21128), cased(21128)),
    row("google-bert/bert-base-german-cased", MASKED, bert(BASE, 30000), cased(30000)),
    row("dbmdz/bert-base-german-uncased", MASKED, bert(BASE, 31102), uncased(31102, has_json=False)),
    row("dbmdz/bert-base-turkish-cased", MASKED, bert(BASE, 32000), cased(32000, has_json=False)),
    row("nlptown/bert-base-multilingual-uncased-sentiment", CLASSIFIER, bert(BASE, 105879), uncased(105879), STARS),
    row("Davlan/bert-base-multilingual-cased-ner-hrl", TAGGER, bert(BASE, 119547), cased(119547), HRL),
    row("hfl/chinese-roberta-wwm-ext", MASKED, bert(BASE, 21128), cased(21128)),
    row(
        "shibing624/text2vec-base-chinese", "BertModel", bert(BASE, 21128), cased(21128),
        sentence=Sentence(max_seq_length=128),
    ),
    row(
        "BAAI/bge-small-zh-v1.5", "BertModel", bert(SMALL, 21128), cased(21128),
        sentence=Sentence(pooling="cls", normalize=True, max_seq_length=512),
    ),
    row("klue/bert-base", MASKED, bert(BASE, 32000), cased(32000)),
    row("neuralmind/bert-base-portuguese-cased", MASKED, bert(BASE, 29794), cased(29794, has_json=False)),
    row("aubmindlab/bert-base-arabertv02", MASKED, bert(BASE, 64000), cased(64000)),
    row("KB/bert-base-swedish-cased", MASKED, bert(BASE, 50325), cased(50325, strip_accents=False)),
    row("TurkuNLP/bert-base-finnish-cased-v1", MASKED, bert(BASE, 50105), cased(50105, has_json=False)),
    row("GroNLP/bert-base-dutch-cased", MASKED, bert(BASE, 30073), cased(30073)),
    row("indobenchmark/indobert-base-p1", "BertModel", bert(BASE, 50000), uncased(50000, has_json=False)),
    row("DeepPavlov/rubert-base-cased", "BertModel", bert(BASE, 119547), cased(119547, has_json=False)),
    row(
        "cointegrated/rubert-tiny2", "BertModel",
        bert((312, 12, 600), 83828, max_position_embeddings=2048), cased(83828, model_max_length=2048),
        sentence=Sentence(pooling="cls", normalize=True, max_seq_length=2048),
    ),
    row(
        "cointegrated/rubert-tiny-toxicity", CLASSIFIER,
        bert((312, 12, 600), 29564, problem_type="multi_label_classification"), cased(29564),
        ("non-toxic", "insult", "obscenity", "threat", "dangerous"),
    ),
    row(
        "sentence-transformers/LaBSE", "BertModel", bert(BASE, 501153), cased(501153),
        sentence=Sentence(pooling="cls", dense=(768, 768), normalize=True, max_seq_length=256),
    ),
    row(
        "sentence-transformers/distiluse-base-multilingual-cased-v2", "DistilBertModel", distilbert(119547),
        cased(119547), sentence=Sentence(dense=(768, 512), max_seq_length=128),
    ),
    row(
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "BertModel", bert(MINI, 250037),
        xlm(250037, tokenizer_class="PreTrainedTokenizerFast", **SPECIALS), sentence=Sentence(max_seq_length=128),
    ),
    row(
        "intfloat/multilingual-e5-small", "BertModel", bert(MINI, 250037), xlm(250037),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row("FacebookAI/xlm-roberta-base", "XLMRobertaForMaskedLM", xlmr(BASE), xlm()),
    row("FacebookAI/xlm-roberta-large", "XLMRobertaForMaskedLM", xlmr(LARGE), xlm()),
    row(
        "cardiffnlp/twitter-xlm-roberta-base-sentiment", "XLMRobertaForSequenceClassification", xlmr(BASE),
        xlm(has_json=False), SENTIMENT,
    ),
    row(
        "papluca/xlm-roberta-base-language-detection", "XLMRobertaForSequenceClassification", xlmr(BASE), xlm(),
        LANGUAGES,
    ),
    row(
        "joeddav/xlm-roberta-large-xnli", "XLMRobertaForSequenceClassification", xlmr(LARGE), xlm(has_json=False),
        ("contradiction", "neutral", "entailment"), task="zero-shot-classification", card="zero-shot-classification",
    ),
    row("Davlan/xlm-roberta-base-ner-hrl", "XLMRobertaForTokenClassification", xlmr(BASE), xlm(), HRL),
    row("deepset/xlm-roberta-base-squad2", "XLMRobertaForQuestionAnswering", xlmr(BASE), xlm(has_json=False)),
    row(
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2", "XLMRobertaModel", xlmr(BASE), xlm(),
        sentence=Sentence(max_seq_length=128),
    ),
    row(
        "BAAI/bge-m3", "XLMRobertaModel", xlmr(LARGE, max_position_embeddings=8194), xlm(model_max_length=8192),
        sentence=Sentence(pooling="cls", normalize=True, max_seq_length=8192),
    ),
    row(
        "BAAI/bge-reranker-base", "XLMRobertaForSequenceClassification", xlmr(BASE), xlm(), numbered(1),
        task="text-ranking",
    ),
    row(
        "BAAI/bge-reranker-v2-m3", "XLMRobertaForSequenceClassification", xlmr(LARGE, max_position_embeddings=8194),
        xlm(model_max_length=8192), numbered(1), task="text-ranking",
    ),
)  # fmt: skip
