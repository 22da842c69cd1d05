"""Classes that are Python code in transformers: Japanese BERT, BERTweet, PhoBERT, SigLIP, against transformers' own."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.tasks.tokenizing.families.code.merger import Merger
from naiad.tasks.tokenizing.lengths import fit_pair
from naiad.tasks.tokenizing.loading import load_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "東京 ##京 東 都 ##都 に 住ん 住 ##ん ##で で いる い ##る 日本 語 日本語 の テキスト を "
    "書き ます 。 、 ! ? 「 」 movie great the was a b c e city ##s t h m o v i g r ## 1 2 3 １ カタカナ カ タ ナ ﾅ"
)
MECAB = {"word_tokenizer_type": "mecab"}
JAPANESE: dict[str, dict[str, Any]] = {
    "mecab": MECAB,
    "ipadic-lower": {**MECAB, "mecab_kwargs": {"mecab_dic": "ipadic"}, "do_lower_case": True},
    "characters": {
        **MECAB, "subword_tokenizer_type": "character", "do_lower_case": True,
        "mecab_kwargs": {"normalize_text": False},
    },
    "basic-lower": {"do_lower_case": True},
    "basic-characters": {"subword_tokenizer_type": "character"},
    "no-words": {"do_word_tokenize": False},
    "no-words-characters": {"do_word_tokenize": False, "subword_tokenizer_type": "character"},
    "whole-words": {**MECAB, "do_subword_tokenize": False},
    "added": {**MECAB, "additional_special_tokens": ["city", "日本"], "model_max_length": 12},
    "types": {**MECAB, "model_input_names": ["input_ids", "token_type_ids", "attention_mask"], "model_max_length": 11},
}  # fmt: skip


@pytest.fixture
def japanese(tmp_path: Path, bert_words: list[str]) -> Callable[..., Path]:
    def make(**options: Any) -> Path:
        (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys([*SPECIAL, *WORDS.split(), *bert_words])) + "\n")
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        written = json.dumps({"tokenizer_class": "BertJapaneseTokenizer", **options})
        (tmp_path / "tokenizer_config.json").write_text(written)
        return tmp_path

    return make


@pytest.fixture
def counted_words(tmp_path: Path, word_end_files: dict[str, bytes]) -> Callable[..., Path]:
    """vocab.txt and bpe.codes; some merged symbols are no tokens, as in the published ones."""

    def make(name: str, **options: Any) -> Path:
        merges = word_end_files["merges.txt"].decode().split("\n")
        (tmp_path / "bpe.codes").write_text("".join(f"{merge} 9\n" for merge in merges if merge and merge[0] != "#"))
        symbols = [symbol for symbol in json.loads(word_end_files["vocab.json"]) if symbol[0] != "<"]
        tokens = [symbol[:-4] if symbol.endswith("</w>") else f"{symbol}@@" for symbol in symbols]
        kept = [token for number, token in enumerate(tokens) if number % 7]
        (tmp_path / "vocab.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(kept)))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta", "tokenizer_class": name}))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(options))
        return tmp_path

    return make


def expect_the_same(folder: Path, texts: list[str], spec: EncoderSpec) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = load_tokenizer(folder, spec)
    limit = min(theirs.model_max_length, spec.max_tokens)
    assert ours.max_tokens == limit
    assert ours.special_id("mask") == theirs.mask_token_id
    rows = ours.encode_with_offsets(texts)
    for text, row in zip(texts, rows, strict=True):
        expected = theirs(text, truncation=True, max_length=limit)["input_ids"]
        assert [ours.token(number) for number in row.ids] == theirs.convert_ids_to_tokens(expected), text
        assert row.ids.tolist() == expected
    assert [row.tolist() for row in ours.encode(texts)[0]] == [row.ids.tolist() for row in rows]
    for pair in zip(texts, reversed(texts), strict=True):
        encoded = theirs(*pair, truncation=True, max_length=limit)
        (found,) = ours.encode_pairs([pair], "longest")
        assert found.ids.tolist() == encoded["input_ids"]
        assert (None if found.type_ids is None else found.type_ids.tolist()) == encoded.get("token_type_ids")


@pytest.mark.torch
@pytest.mark.parametrize("options", JAPANESE.values(), ids=JAPANESE)
def test_japanese(
    japanese: Callable[..., Path], odd_texts: list[str], any_spec: EncoderSpec, options: dict[str, Any]
) -> None:
    for library in ("fugashi", "ipadic", "unidic_lite"):
        pytest.importorskip(library, reason="MeCab is not installed (pip install 'naiad[japanese]')")
    expect_the_same(japanese(**options), odd_texts, any_spec)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["BertweetTokenizer", "PhobertTokenizer"])
def test_counted_words(
    counted_words: Callable[..., Path], odd_texts: list[str], any_spec: EncoderSpec, name: str
) -> None:
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True}
    for options in ({}, {"model_max_length": 10, "mask_token": mask}):
        expect_the_same(counted_words(name, **options), odd_texts, any_spec)


@pytest.mark.torch
def test_a_text_that_was_cut_inside_a_word_keeps_its_mark(
    counted_words: Callable[..., Path], any_spec: EncoderSpec
) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    folder = counted_words("BertweetTokenizer")
    theirs, ours = transformers.AutoTokenizer.from_pretrained(folder), load_tokenizer(folder, any_spec)
    numbers = [number for word, number in theirs.get_vocab().items() if word.endswith("@@")][:3]
    assert ours.decode([numbers]) == [theirs.decode(numbers)]
    assert theirs.decode(numbers).endswith("@@")


@pytest.mark.torch
@pytest.mark.parametrize("options", [{}, {"do_lower_case": False, "model_max_length": 1000}], ids=["plain", "cased"])
def test_siglip(
    tmp_path: Path,
    train_pieces: Callable[..., bytes],
    odd_texts: list[str],
    any_spec: EncoderSpec,
    options: dict[str, Any],
) -> None:
    ends = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    (tmp_path / "spiece.model").write_bytes(
        train_pieces(model_type="unigram", normalization_rule_name="identity", **ends)
    )
    (tmp_path / "config.json").write_text('{"model_type": "siglip_text_model"}')
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer", **options}))
    expect_the_same(tmp_path, odd_texts, any_spec)


def test_offsets_are_places_in_the_text_as_it_came(japanese: Callable[..., Path], any_spec: EncoderSpec) -> None:
    pytest.importorskip("fugashi", reason="MeCab is not installed (pip install 'naiad[japanese]')")
    text = "ＭＯＶＩＥ　ｶﾀｶﾅ 東京都に"
    row = load_tokenizer(japanese(**MECAB, do_lower_case=True), any_spec).encode_with_offsets([text])[0]
    assert [text[begin:end] for begin, end in row.offsets[1:-1]] == ["ＭＯＶＩＥ", "ｶﾀｶﾅ", "東京", "都", "に"]


def test_many_threads_may_find_words(japanese: Callable[..., Path], any_spec: EncoderSpec) -> None:
    pytest.importorskip("fugashi", reason="MeCab is not installed (pip install 'naiad[japanese]')")
    tokenizer = load_tokenizer(japanese(**MECAB), any_spec)
    texts = ["東京都に住んでいる" * (number % 9) for number in range(40)]
    expected = [row.tolist() for row in tokenizer.encode(texts)[0]]
    found: list[Any] = []

    def encode() -> None:
        found.append([row.tolist() for row in tokenizer.encode(texts)[0]])

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"word_tokenizer_type": "sudachi"}, "word_tokenizer_type is sudachi; mecab and basic can be used"),
        ({"word_tokenizer_type": "jumanpp"}, "word_tokenizer_type is jumanpp"),
        ({"subword_tokenizer_type": "sentencepiece"}, "subword_tokenizer_type is sentencepiece"),
        (
            {**MECAB, "mecab_kwargs": {"mecab_dic": "neologd"}},
            "mecab_dic is 'neologd'; ipadic, unidic_lite, unidic can",
        ),
    ],
)
def test_what_japanese_we_have_not_is_refused_by_name(
    japanese: Callable[..., Path], any_spec: EncoderSpec, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(LoadFailed, match=words):
        load_tokenizer(japanese(**options), any_spec)


@pytest.mark.parametrize(
    ("missing", "dictionary", "words"),
    [
        ("fugashi", "ipadic", r"fugashi is missing: pip install 'naiad\[japanese\]'$"),
        ("unidic_lite", "unidic_lite", r"unidic_lite is missing: pip install 'naiad\[japanese\]'$"),
        ("unidic", "unidic", "unidic is missing: .* then python -m unidic download"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    japanese: Callable[..., Path],
    any_spec: EncoderSpec,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    dictionary: str,
    words: str,
) -> None:
    if missing != "fugashi":
        pytest.importorskip("fugashi", reason="MeCab is not installed (pip install 'naiad[japanese]')")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(LoadFailed, match=words):
        load_tokenizer(japanese(**MECAB, mecab_kwargs={"mecab_dic": dictionary}), any_spec)


def test_normalisation_of_tweets_is_refused(counted_words: Callable[..., Path], any_spec: EncoderSpec) -> None:
    with pytest.raises(LoadFailed, match="normalization of tweets is not done here"):
        load_tokenizer(counted_words("BertweetTokenizer", normalization=True), any_spec)


def test_a_dictionary_without_counts_is_refused(counted_words: Callable[..., Path], any_spec: EncoderSpec) -> None:
    folder = counted_words("PhobertTokenizer")
    (folder / "vocab.txt").write_text("alone\n")
    with pytest.raises(LoadFailed, match="the line 'alone' is not a token and its count"):
        load_tokenizer(folder, any_spec)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("a", (1,)), ("ab", (2,)), ("abab", (2, 2)), ("aab", (1, 2)), ("xyz", (1, 1, 1)), ("aaa", (2, 1)), ("cab", (3,))],
)
def test_merging(word: str, expected: tuple[int, ...]) -> None:
    merges = [("a", "b</w>"), ("a", "b"), ("a", "a"), ("#version:",), ("c", "ab</w>")]
    assert Merger(merges).pieces(word) == expected


def test_merging_a_very_long_word_takes_no_time_to_speak_of() -> None:
    assert sum(Merger([("a", "a"), ("aa", "aa"), ("aaaa", "aaaa")]).pieces("a" * 200_000)) == 200_000


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(9, 9, (3, 2)), (4, 9, (3, 2)), (9, 4, (3, 2)), (9, 2, (3, 2)), (1, 9, (1, 4))]
)
def test_pairs_of_code_classes_keep_one_more_of_the_first(first: int, second: int, expected: tuple[int, int]) -> None:
    assert fit_pair(first, second, 5, "longest", odd_to_first=True) == expected
