"""Ids, type ids and offsets of every tokenizer class against transformers', from its files and tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.encoding.encoder import EncoderSpec
from naiad.tasks.tokenizing.families.table import FAMILIES
from naiad.tasks.tokenizing.loading import load_tokenizer

transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

UNIGRAM = {"model_type": "unigram"}
FAIRSEQ = {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc"}
BERT_LIKE = {
    **UNIGRAM, "unk_id": 1, "pad_id": 0, "bos_id": 2, "eos_id": 3, "bos_piece": "[CLS]", "eos_piece": "[SEP]",
    "user_defined_symbols": ["[MASK]"],
}  # fmt: skip
LLAMA = {"model_type": "bpe", "byte_fallback": True, "vocab_size": 800, "character_coverage": 0.99}

PIECES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "AlbertTokenizer": ("albert", "spiece.model", BERT_LIKE),
    "XLMRobertaTokenizer": ("xlm-roberta", "sentencepiece.bpe.model", FAIRSEQ),
    "CamembertTokenizer": ("camembert", "sentencepiece.bpe.model", FAIRSEQ),
    "BarthezTokenizer": ("mbart", "sentencepiece.bpe.model", FAIRSEQ),
    "DebertaV2Tokenizer": (
        "deberta-v2",
        "spm.model",
        {**BERT_LIKE, "unk_piece": "[UNK]", "pad_piece": "[PAD]", "unk_id": 3, "eos_id": 2, "bos_id": 1},
    ),
    "RemBertTokenizer": ("rembert", "sentencepiece.model", {**BERT_LIKE, "unk_id": 2, "bos_id": 1}),
    "BigBirdTokenizer": ("big_bird", "spiece.model", {**UNIGRAM, "user_defined_symbols": ["[SEP]", "[MASK]", "[CLS]"]}),
    "XLNetTokenizer": ("xlnet", "spiece.model", {**UNIGRAM, "user_defined_symbols": ["<sep>", "<cls>", "<eod>"]}),
    "T5Tokenizer": ("t5", "spiece.model", {**UNIGRAM, "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}),
    "MBartTokenizer": ("mbart", "sentencepiece.bpe.model", FAIRSEQ),
    "MBart50Tokenizer": ("mbart", "sentencepiece.bpe.model", FAIRSEQ),
    "FNetTokenizer": ("fnet", "spiece.model", BERT_LIKE),
    "LlamaTokenizer": ("llama", "tokenizer.model", LLAMA),
    "NllbTokenizer": ("m2m_100", "sentencepiece.bpe.model", {"model_type": "bpe", "vocab_size": 800}),
    "TokenizersBackend": ("mistral", "tokenizer.model", LLAMA),
}

MODEL_TYPES = {
    "FunnelTokenizer": "funnel", "MPNetTokenizer": "mpnet", "DistilBertTokenizer": "distilbert",
    "ConvBertTokenizer": "convbert", "DebertaTokenizer": "deberta", "GPT2Tokenizer": "gpt2",
    "GPTNeoXTokenizer": "gpt_neox", "BlenderbotTokenizer": "blenderbot", "Qwen2Tokenizer": "qwen2",
    "Qwen3_5Tokenizer": "qwen3_5_text", "CLIPTokenizer": "clip_text_model", "RobertaTokenizer": "roberta",
    "GemmaTokenizer": "gemma", "Siglip2Tokenizer": "siglip2_text_model",
}  # fmt: skip

ONLY_TOKENIZER_JSON = {"GemmaTokenizer", "Siglip2Tokenizer", "Qwen3_5Tokenizer"}
FROM_FILES = {name for name, family in FAMILIES.items() if not family.is_code} - ONLY_TOKENIZER_JSON

SENTENCEPIECE = ("AlbertTokenizer", "RemBertTokenizer", "XLNetTokenizer", "DebertaV2Tokenizer")
WORDPIECE = ("BertTokenizer", "DistilBertTokenizer", "MPNetTokenizer", "FunnelTokenizer", "ConvBertTokenizer")
PREFIXED = (
    "RobertaTokenizer", "DebertaTokenizer", "GPT2Tokenizer", "BlenderbotTokenizer", "Qwen2Tokenizer",
    "XLMRobertaTokenizer", "DebertaV2Tokenizer", "LlamaTokenizer", "T5Tokenizer",
)  # fmt: skip
SOME = ("BertTokenizer", "RobertaTokenizer", "AlbertTokenizer", "T5Tokenizer", "MBartTokenizer", "TokenizersBackend")
MASK = {"__type": "AddedToken", "content": "movie", "lstrip": True, "rstrip": True, "normalized": True}
DECODER = {"5": {"content": "great", "lstrip": True, "single_word": True}, "9": {"content": "##new", "special": True}}

OPTIONS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"do_lower_case": False}, (*WORDPIECE, "AlbertTokenizer")),
    ({"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}, (*WORDPIECE, *SENTENCEPIECE)),
    ({"strip_accents": True, "do_lower_case": False, "clean_text": False}, WORDPIECE),
    ({"do_basic_tokenize": False, "never_split": ["movie"]}, ("BertTokenizer",)),
    ({"keep_accents": True, "do_lower_case": True, "remove_space": False}, SENTENCEPIECE),
    ({"add_prefix_space": True}, PREFIXED),
    ({"add_prefix_space": False, "trim_offsets": False}, PREFIXED),
    ({"split_by_punct": True, "do_lower_case": True}, ("DebertaV2Tokenizer",)),
    ({"add_bos_token": True, "add_eos_token": True}, ("GPT2Tokenizer", "LlamaTokenizer", "TokenizersBackend")),
    ({"split_special_tokens": True}, SOME),
    ({"legacy": True}, ("LlamaTokenizer", "T5Tokenizer")),
    ({"legacy_behaviour": True, "src_lang": "fr_XX"}, ("NllbTokenizer", "MBartTokenizer", "MBart50Tokenizer")),
    ({"additional_special_tokens": ["great", "東京"]}, (*SOME, "CamembertTokenizer", "NllbTokenizer")),
    ({"extra_special_tokens": {"image_token": "city"}, "audio_token": "big"}, (*SOME, "Qwen2Tokenizer")),
    ({"mask_token": MASK}, (*SOME, "MPNetTokenizer", "CamembertTokenizer")),
    ({"cls_token": "the", "sep_token": "[MASK]"}, ("BertTokenizer", "MPNetTokenizer", "FunnelTokenizer")),
    ({"added_tokens_decoder": DECODER}, SOME),
    ({"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}, ("RobertaTokenizer", "AlbertTokenizer")),
    ({"model_input_names": ["input_ids", "attention_mask"]}, ("BertTokenizer",)),
    ({"truncation_side": "left", "model_max_length": 9}, (*SOME, "DebertaTokenizer", "LlamaTokenizer")),
    ({"model_max_length": None, "max_len": 8, "padding_side": "left"}, ("BertTokenizer",)),
    ({"max_len": 8}, ("BertTokenizer",)),
    ({"clean_up_tokenization_spaces": True}, ("BertTokenizer", "RobertaTokenizer")),
    ({"extra_ids": 3}, ("T5Tokenizer",)),
]
CASES = [(name, options) for options, names in OPTIONS for name in names]


@pytest.fixture
def make_checkpoint(
    tmp_path: Path,
    byte_files: dict[str, bytes],
    word_end_files: dict[str, bytes],
    train_pieces: Callable[..., bytes],
    bert_words: list[str],
) -> Callable[..., Path]:
    """Write the vocabulary files of a class with these options; gives the folder."""

    def make(name: str, options: dict[str, Any] | None = None, **changes: Any) -> Path:
        folder = tmp_path / "checkpoint"
        folder.mkdir(exist_ok=True)
        family = FAMILIES[name]
        model_type = MODEL_TYPES.get(name, "bert")
        if name in PIECES:
            model_type, file, settings = PIECES[name]
            (folder / file).write_bytes(train_pieces(**{**settings, **changes}))
        elif family.model == "WordPiece":
            words = dict.fromkeys([*bert_words, *(token for token in family.tokens.values() if token)])
            (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        else:
            files = word_end_files if name in ("HerbertTokenizer", "CLIPTokenizer") else byte_files
            for file, data in files.items():
                (folder / file).write_bytes(data)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, **(options or {})}))
        return folder

    return make


def expect_the_same(folder: Path, texts: list[str], spec: EncoderSpec) -> None:
    """Compare everything that the two give for texts and pairs."""
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = load_tokenizer(folder, spec)
    limit = min(theirs.model_max_length, spec.max_tokens)
    texts = [text for text, ids in zip(texts, theirs(texts)["input_ids"], strict=True) if ids]
    assert ours.max_tokens == limit
    rows = ours.encode_with_offsets(texts)
    expected = theirs(texts, truncation=True, max_length=limit, return_offsets_mapping=True)
    for text, row, ids, offsets in zip(texts, rows, expected["input_ids"], expected["offset_mapping"], strict=True):
        assert (row.ids.tolist(), row.offsets.tolist()) == (ids, [list(place) for place in offsets]), (text, theirs)
    assert [row.tolist() for row in ours.encode(texts)[0]] == expected["input_ids"]
    pairs = list(zip(texts, reversed(texts), strict=True))
    expected = theirs([a for a, _ in pairs], [b for _, b in pairs], truncation=True, max_length=limit)
    found = ours.encode_pairs(pairs, "longest")
    assert [row.ids.tolist() for row in found] == expected["input_ids"]
    types = [row.type_ids.tolist() for row in found if row.type_ids is not None]
    assert types == expected.get("token_type_ids", [])
    assert [ours.decode([ids]) for ids in expected["input_ids"][:9]] == [
        [theirs.decode(ids)] for ids in expected["input_ids"][:9]
    ] or "CLIP" in type(theirs).__name__


@pytest.mark.parametrize("name", sorted(FROM_FILES))
def test_vocabulary_files(make_checkpoint: Any, odd_texts: list[str], any_spec: EncoderSpec, name: str) -> None:
    folder = make_checkpoint(name)
    expect_the_same(folder, odd_texts, any_spec)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    assert (folder / "tokenizer.json").is_file()
    expect_the_same(folder, odd_texts, any_spec)


@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "+".join(value)
)
def test_options(
    make_checkpoint: Any, odd_texts: list[str], any_spec: EncoderSpec, name: str, options: dict[str, Any]
) -> None:
    """Written beside the vocabulary files, and beside a tokenizer.json that was saved without them."""
    folder = make_checkpoint(name)
    config = folder / "tokenizer_config.json"
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder / "saved")
    config.write_text(json.dumps({"tokenizer_class": name, **options}))
    expect_the_same(folder, odd_texts, any_spec)
    (folder / "saved" / "tokenizer.json").rename(folder / "tokenizer.json")
    saved = json.loads((folder / "saved" / "tokenizer_config.json").read_text())
    config.write_text(json.dumps({**saved, **options}))
    expect_the_same(folder, odd_texts, any_spec)


@pytest.mark.parametrize("name", sorted(ONLY_TOKENIZER_JSON))
def test_classes_with_tokenizer_json_alone(
    make_checkpoint: Any, odd_texts: list[str], any_spec: EncoderSpec, name: str
) -> None:
    folder = make_checkpoint("LlamaTokenizer")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer.model").unlink(missing_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": MODEL_TYPES[name]}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name, "add_bos_token": True}))
    expect_the_same(folder, odd_texts, any_spec)


def test_files_beside_the_config(make_checkpoint: Any, odd_texts: list[str], any_spec: EncoderSpec) -> None:
    """special_tokens_map.json and added_tokens.json count where there is no added_tokens_decoder."""
    folder = make_checkpoint("BertTokenizer")
    (folder / "added_tokens.json").write_text(json.dumps({"[NEW]": 400, "acme widget": 399, "Great": 401}))
    special = {"mask_token": {"content": "[NEW]", "lstrip": True}, "additional_special_tokens": ["movie", "Städte"]}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    texts = [*odd_texts, "an acme widget  [NEW] movie isn't Great or great, Städte"]
    expect_the_same(folder, texts, any_spec)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    expect_the_same(folder, texts, any_spec)
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {"7": {"content": "Xyz"}}}))
    expect_the_same(folder, texts, any_spec)
