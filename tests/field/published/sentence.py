"""English sentence embeddings on BERT, MPNet, DistilBERT, RoBERTa and ALBERT bodies."""

from __future__ import annotations

from published.row import Sentence, Vocabulary
from published.sizes import (
    BASE,
    LARGE,
    MINI,
    bert,
    byte_level,
    distilbert,
    roberta,
    row,
    uncased,
    widths,
)  # fmt: skip

MPNET = {
    "model_type": "mpnet",
    **widths(BASE),
    "vocab_size": 30527,
    "max_position_embeddings": 514,
    "relative_attention_num_buckets": 32,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}

MPNET_WORDS = Vocabulary(
    kind="wordpiece",
    size=30527,
    config={"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "MPNetTokenizer"},
)


def fixed(length: int, size: int = 30522) -> Vocabulary:
    """A tokenizer.json that pads and cuts to a length by itself, as sentence-transformers' own checkpoints do."""
    padding = {
        "strategy": {"Fixed": length}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    cut = {"max_length": length, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    config = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    state = {"padding": padding, "truncation": cut}
    return Vocabulary(kind="wordpiece", size=size, config=config, state=state)


COSINE = Sentence(normalize=True)
CLS = Sentence(pooling="cls", normalize=True)
ARCTIC = Sentence(
    pooling="cls",
    normalize=True,
    max_seq_length=512,
    prompts={"query": "Represent this sentence for searching relevant passages: "},
)

ROWS = (
    row(
        "sentence-transformers/all-MiniLM-L6-v2", "BertModel", bert(MINI, 30522), fixed(128),
        sentence=Sentence(normalize=True, max_seq_length=256),
    ),
    row(
        "sentence-transformers/all-MiniLM-L12-v2", "BertModel", bert(MINI, 30522), fixed(128),
        sentence=Sentence(normalize=True, max_seq_length=128),
    ),
    row(
        "sentence-transformers/paraphrase-MiniLM-L3-v2", "BertModel", bert(MINI, 30522), uncased(),
        sentence=Sentence(max_seq_length=128),
    ),
    row(
        "sentence-transformers/multi-qa-MiniLM-L6-cos-v1", "BertModel", bert(MINI, 30522), fixed(250),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row(
        "BAAI/bge-small-en-v1.5", "BertModel", bert(MINI, 30522), uncased(),
        sentence=Sentence(pooling="cls", normalize=True, max_seq_length=512, do_lower_case=True),
    ),
    row("BAAI/bge-base-en-v1.5", "BertModel", bert(BASE, 30522), uncased(), sentence=CLS),
    row("BAAI/bge-large-en-v1.5", "BertModel", bert(LARGE, 30522), uncased(), sentence=CLS),
    row(
        "thenlper/gte-small", "BertModel", bert(MINI, 30522), uncased(),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row("thenlper/gte-base", "BertModel", bert(BASE, 30522), uncased(), sentence=COSINE),
    row(
        "intfloat/e5-small-v2", "BertModel", bert(MINI, 30522), uncased(),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row("intfloat/e5-base-v2", "BertModel", bert(BASE, 30522), uncased(), sentence=COSINE),
    row("intfloat/e5-large-v2", "BertModel", bert(LARGE, 30522), uncased(), sentence=COSINE),
    row(
        "mixedbread-ai/mxbai-embed-large-v1", "BertModel", bert(LARGE, 30522), uncased(),
        sentence=Sentence(
            pooling="cls",
            max_seq_length=512,
            prompts={"query": "Represent this sentence for searching relevant passages: ", "passage": ""},
        ),
    ),
    row("Snowflake/snowflake-arctic-embed-xs", "BertModel", bert(MINI, 30522), uncased(), sentence=ARCTIC),
    row("Snowflake/snowflake-arctic-embed-m", "BertModel", bert(BASE, 30522), uncased(), sentence=ARCTIC),
    row("facebook/contriever", "BertModel", bert(BASE, 30522), uncased()),
    row(
        "sentence-transformers/allenai-specter", "BertModel", bert(BASE, 31090), uncased(31090),
        sentence=Sentence(pooling="cls", max_seq_length=512),
    ),
    row(
        "sentence-transformers/all-mpnet-base-v2", "MPNetModel", MPNET, MPNET_WORDS,
        sentence=Sentence(normalize=True, max_seq_length=384),
    ),
    row(
        "sentence-transformers/multi-qa-mpnet-base-dot-v1", "MPNetModel", MPNET, MPNET_WORDS,
        sentence=Sentence(pooling="cls", max_seq_length=512),
    ),
    row("microsoft/mpnet-base", "MPNetForMaskedLM", MPNET, MPNET_WORDS, longest=512),
    row(
        "sentence-transformers/multi-qa-distilbert-cos-v1", "DistilBertModel", distilbert(), fixed(250),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row(
        "sentence-transformers/msmarco-distilbert-base-tas-b", "DistilBertModel", distilbert(), uncased(),
        sentence=Sentence(pooling="cls", max_seq_length=512),
    ),
    row(
        "sentence-transformers/all-distilroberta-v1", "RobertaModel", roberta(BASE), byte_level(),
        sentence=Sentence(normalize=True, max_seq_length=512),
    ),
    row(
        "sentence-transformers/all-roberta-large-v1", "RobertaModel", roberta(LARGE), byte_level(),
        sentence=Sentence(normalize=True, max_seq_length=256),
    ),
    row(
        "naver/splade-cocondenser-ensembledistil", "BertForMaskedLM", bert(BASE, 30522), uncased(),
        task="sparse-embedding", sentence=Sentence(pooling="splade", max_seq_length=512),
    ),
    row(
        "naver/splade-v3-distilbert", "DistilBertForMaskedLM", distilbert(), uncased(), task="sparse-embedding",
        sentence=Sentence(pooling="splade", max_seq_length=512),
    ),
    row(
        "prithivida/Splade_PP_en_v1", "BertForMaskedLM", bert(BASE, 30522), uncased(), task="sparse-embedding",
        sentence=Sentence(pooling="splade", max_seq_length=512),
    ),
    row(
        "sentence-transformers/nli-bert-base-max-pooling", "BertModel", bert(BASE, 30522), uncased(has_json=False),
        sentence=Sentence(pooling="max", max_seq_length=128),
    ),
)  # fmt: skip
