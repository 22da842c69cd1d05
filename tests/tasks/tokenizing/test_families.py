"""Tokenizers made from vocabulary files, by the class that the files declare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import ByteLevelBPETokenizer, SentencePieceUnigramTokenizer
from tokenizers.processors import TemplateProcessing

from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.loading import load_tokenizer

ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture
def roberta_folder(tmp_path: Path, nasty_texts: list[str]) -> Path:
    """vocab.json and merges.txt of a byte-level BPE trained on a few odd texts."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        [*nasty_texts, "the movie was great"] * 3, vocab_size=500, special_tokens=ROBERTA_SPECIAL, show_progress=False
    )
    trained.save_model(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    return tmp_path


def test_roberta_frames_pairs_with_two_separators(roberta_folder: Path, make_spec: Any) -> None:
    tokenizer = load_tokenizer(roberta_folder, make_spec(max_tokens=512, uses_type_ids=False))
    ids = tokenizer.encode_pairs([("the", "movie")], "longest")[0].ids.tolist()
    assert ids[0] == 0
    assert ids[-1] == 2
    assert ids.count(2) == 3
    assert tokenizer.decode([ids], skip_special_tokens=True) == ["themovie"]


def test_mpnet_has_the_words_of_bert_in_the_frame_of_roberta(tmp_path: Path, make_spec: Any) -> None:
    (tmp_path / "vocab.txt").write_text("<s>\n<pad>\n</s>\n[UNK]\nthe\nmovie\n<mask>\n")
    special = {"tokenizer_class": "MPNetTokenizer", "pad_token": {"content": "<pad>"}, "mask_token": "<mask>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(special))
    tokenizer = load_tokenizer(tmp_path, make_spec(uses_type_ids=False))
    assert tokenizer.encode_pairs([("The", "movie")], "longest")[0].ids.tolist() == [0, 4, 2, 2, 5, 2]
    assert (tokenizer.special_id("mask"), tokenizer.special_id("pad"), tokenizer.special_id("unk")) == (6, 1, 3)


def test_a_vocabulary_without_special_tokens_is_refused(tmp_path: Path, make_spec: Any) -> None:
    (tmp_path / "vocab.txt").write_text("the\nmovie\n[UNK]\n")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(LoadFailed, match=r"has no special token \[CLS\]"):
        load_tokenizer(tmp_path, make_spec())


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("BertTokenizer", {"vocab.txt": ""}),
        ("RobertaTokenizer", {"vocab.json": "{}", "merges.txt": ""}),
    ],
)
def test_an_empty_vocabulary_is_said(name: str, files: dict[str, str], tmp_path: Path, make_spec: Any) -> None:
    for file, content in files.items():
        (tmp_path / file).write_text(content)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    with pytest.raises(LoadFailed, match=rf"empty vocabulary.*{name}.*{next(iter(files))}"):
        load_tokenizer(tmp_path, make_spec())


def test_a_vocabulary_that_is_not_text_is_refused(tmp_path: Path, make_spec: Any) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(LoadFailed, match="cannot be used"):
        load_tokenizer(tmp_path, make_spec())


@pytest.fixture
def unigram_folder(tmp_path: Path, nasty_texts: list[str]) -> Path:
    """tokenizer.json as sentencepiece models have it after conversion: XLM-RoBERTa, CamemBERT, ALBERT."""
    trained = SentencePieceUnigramTokenizer()
    corpus = [*(text[:200] for text in nasty_texts), "the movie was great and the city is big"] * 2
    trained.train_from_iterator(
        corpus, vocab_size=150, special_tokens=ROBERTA_SPECIAL, unk_token="<unk>", show_progress=False
    )
    trained.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    trained.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return tmp_path


def test_sentencepiece_vocabularies_are_cut_right(unigram_folder: Path, make_spec: Any, nasty_texts: list[str]) -> None:
    short, whole = (load_tokenizer(unigram_folder, make_spec(max_tokens=limit)) for limit in (20, 100_000))
    texts = [text for text in nasty_texts if text] + ["the movie was great, " * 500, "日本" * 3_000]
    rows, cut = short.encode(texts)
    expected = [row.tolist() for row in whole.encode(texts)[0]]
    assert [row.tolist() for row in rows] == [ids if len(ids) <= 20 else [*ids[:19], 2] for ids in expected]
    assert cut == sum(len(ids) > 20 for ids in expected) > 2
    pair = short.encode_pairs([("the", "the movie was great, " * 500)], "longest")[0]
    assert (len(pair.ids), pair.is_cut, pair.ids.tolist().count(2)) == (20, True, 3)


@pytest.mark.torch
def test_sentencepiece_vocabularies_give_the_ids_of_transformers(
    unigram_folder: Path, make_spec: Any, nasty_texts: list[str]
) -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' tokenizer")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(unigram_folder / "tokenizer.json"))
    rows, _ = load_tokenizer(unigram_folder, make_spec(max_tokens=256)).encode(nasty_texts)
    assert [row.tolist() for row in rows] == theirs(nasty_texts, truncation=True, max_length=256)["input_ids"]
