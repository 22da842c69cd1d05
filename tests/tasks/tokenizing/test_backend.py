"""Cutting from the left, and what the library makes of texts that it cannot read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import normalizers, pre_tokenizers
from tokenizers.models import WordLevel

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import Cancelled, InvalidRequest, LoadFailed, ModelFailed
from naiad.core.machine.turnstile import Turnstile
from naiad.tasks.tokenizing.backend import SHARE_TEXTS
from naiad.tasks.tokenizing.loading import load_tokenizer
from naiad.tasks.tokenizing.settings import TokenizerSettings
from naiad.tasks.tokenizing.tokenizer import Tokenizer


@pytest.fixture
def left(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> Tokenizer:
    return load_tokenizer(make_folder(tokenizer_config={"truncation_side": "left"}), make_spec(max_tokens=12))


@pytest.fixture
def rust(make_folder: Callable[..., Path], make_spec: Callable[..., EncoderSpec]) -> Any:
    return load_tokenizer(make_folder(), make_spec())._rust


TEXTS = ["the " * count for count in (9, 10, 11, 50, 5_000)] + ["wolfgang's movie, " * 9, "x" * 7_000 + " the city" * 9]


def test_beginnings_are_cut_off_as_the_library_does(left: Tokenizer, rust: Any) -> None:
    rust.enable_truncation(12, direction="left")
    expected = [rust.encode(text) for text in TEXTS]
    rows, cut = left.encode(TEXTS)
    assert [row.tolist() for row in rows] == [encoding.ids for encoding in expected]
    assert cut == 5
    found = left.encode_with_offsets(TEXTS)
    assert [row.offsets.tolist() for row in found] == [[list(at) for at in encoding.offsets] for encoding in expected]


@pytest.mark.parametrize(("strategy", "theirs"), [("longest", "longest_first"), ("first", "only_first")])
def test_beginnings_of_pairs_are_cut_off_as_the_library_does(
    left: Tokenizer, rust: Any, strategy: Any, theirs: str
) -> None:
    rust.enable_truncation(12, strategy=theirs, direction="left")
    pairs = [
        ("the movie", "a city"),
        ("a wolf in berlin " * 30, "a city is big"),
        ("the " * 9, ""),
        ("a b " * 900, "c"),
    ]
    if strategy == "longest":
        pairs += [("in berlin", "the city is big " * 30), ("in a big city " * 30, "a b c " * 30), ("", "the a " * 30)]
    expected = [rust.encode(*pair) for pair in pairs]
    rows = left.encode_pairs(pairs, strategy)
    assert [row.ids.tolist() for row in rows] == [encoding.ids for encoding in expected]
    assert [row.type_ids.tolist() for row in rows] == [encoding.type_ids for encoding in expected]


def test_windows_are_laid_from_the_end(left: Tokenizer, rust: Any) -> None:
    rust.enable_truncation(11, stride=2, strategy="only_second", direction="left")
    context = "wolfgang lives in a very big house, sarah in the small city. "
    for repeat in (0, 1, 2, 5):
        encoding = rust.encode("who is it", context * repeat)
        found = left.encode_windows("who is it", context * repeat, 11, 2)
        parts = [encoding, *encoding.overflowing]
        assert [window.ids.tolist() for window in reversed(found)] == [part.ids for part in parts]
        assert [w.offsets.tolist() for w in reversed(found)] == [[list(o) for o in part.offsets] for part in parts]


def test_pieces_are_laid_from_the_end_in_the_order_of_the_text(left: Tokenizer, rust: Any) -> None:
    rust.enable_truncation(12, stride=3, direction="left")
    encoding = rust.encode("a b c d " * 9)
    found = left.encode_pieces("a b c d " * 9, 3)
    assert [p.ids.tolist() for p in reversed(found)] == [part.ids for part in [encoding, *encoding.overflowing]]


def test_sides_other_than_left_and_right_are_refused(make_folder: Any, make_spec: Any) -> None:
    with pytest.raises(Exception, match="truncation_side is 'top', left or right is expected"):
        load_tokenizer(make_folder(tokenizer_config={"truncation_side": "top"}), make_spec())


class Grumpy:
    """Splits at spaces, and panics or fails on certain words."""

    def pre_tokenize(self, text: Any) -> None:
        text.split(self._split)

    def _split(self, _: int, text: Any) -> list[Any]:
        if "fail" in str(text.normalized):
            raise ValueError("no such word")
        return [text]


@pytest.fixture
def grumpy() -> Tokenizer:
    rust = RustTokenizer(WordLevel({"a": 0, "?": 1}, unk_token="?"))
    rust.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Grumpy())  # type: ignore[arg-type]
    return Tokenizer(rust, TokenizerSettings(8))


def test_a_text_that_the_library_fails_on_is_named(grumpy: Tokenizer) -> None:
    assert [row.tolist() for row in grumpy.encode(["a", "b"])[0]] == [[0], [1]]
    with pytest.raises(ModelFailed, match="the tokenizer cannot read text 1"):
        grumpy.encode(["a", "fail", "a"])
    with pytest.raises(ModelFailed, match="the tokenizer cannot read text 0"):
        grumpy.encode_pairs([("a", "fail")], "longest")
    with pytest.raises(ModelFailed, match="the tokenizer cannot read text 0"):
        grumpy.encode_pieces("fail", 1)


def test_half_a_surrogate_pair_is_named(left: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="text 1 has half a surrogate pair in it"):
        left.encode(["a", "b \ud83d c"])
    with pytest.raises(InvalidRequest, match="text 0 has half a surrogate pair in it"):
        left.encode_pairs([("a", "b \ud83d c")], "longest")
    with pytest.raises(InvalidRequest, match="text 0 has half a surrogate pair in it"):
        left.encode_pieces("\udc00", 2)


def test_lower_case_keeps_the_places_in_the_text(make_folder: Any, make_spec: Any) -> None:
    """Lower case may be longer than the text was: İ becomes two characters."""
    folder = make_folder(tokenizer_config={"do_lower_case": False}, sentence_bert_config={"do_lower_case": True})
    text = "İİİ THE MOVIE"
    row = load_tokenizer(folder, make_spec()).encode_with_offsets([text])[0]
    begin, end = row.offsets[row.ids.tolist().index(38)]
    assert text[begin:end] == "MOVIE"


@pytest.mark.parametrize("charsmap", [b"", b"\xff\xff\xff\x7f", b"\x10\x00\x00\x00" + b"\xff" * 16 + b"x"])
def test_a_panic_while_loading_is_an_error_with_words(tmp_path: Path, make_spec: Any, charsmap: bytes) -> None:
    """The library panics on tables of replacements that are damaged: in reading them, or at the first text."""
    document = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(LoadFailed, match=r"the tokenizer in .* cannot be used"):
        load_tokenizer(tmp_path, make_spec())


def test_a_panic_on_a_text_is_that_texts_error(grumpy: Tokenizer) -> None:
    """A table of replacements that is put in later panics where nothing has been tried."""
    damaged = b"\x10\x00\x00\x00" + b"\xff" * 16 + b"x"
    grumpy._rust.normalizer = normalizers.Precompiled(damaged)
    with pytest.raises(ModelFailed, match="the tokenizer cannot read text 1"):
        grumpy.encode(["", "a"])


def test_what_is_not_about_the_text_goes_on(grumpy: Tokenizer) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grumpy._backend._call(stop, ["a"])  # type: ignore[arg-type]


MANY = [f"the movie {number} " * (number % 7 + 1) for number in range(700)] + ["a city " * 5_000] * 3


def test_many_texts_are_tokenised_in_shares_and_come_out_the_same(left: Tokenizer) -> None:
    rows, cut = left.encode(MANY)
    each = [left.encode([text]) for text in MANY]
    assert [row.tolist() for row in rows] == [found[0].tolist() for found, _ in each]
    assert cut == sum(count for _, count in each)
    pairs = [(text, "in berlin") for text in MANY]
    found = left.encode_pairs(pairs, "longest")
    assert [row.ids.tolist() for row in found] == [left.encode_pairs([one], "longest")[0].ids.tolist() for one in pairs]


@pytest.mark.parametrize("place", [0, SHARE_TEXTS, 699])
def test_the_text_that_cannot_be_read_is_named_in_whatever_share_it_is(left: Tokenizer, place: int) -> None:
    texts = [*MANY]
    texts[place] = "half \ud800"
    with pytest.raises(InvalidRequest, match=f"text {place} has half a surrogate pair in it"):
        left.encode(texts)


def test_others_may_go_first_between_shares_and_nothing_more_is_done_for_who_left(left: Tokenizer) -> None:
    """Sixteen thousand texts were one call of the library; so are all those that are short."""
    asked: list[int] = []

    def is_wanted() -> bool:
        asked.append(1)
        return len(asked) < 2

    with pytest.raises(Cancelled), Turnstile().passed(is_wanted):
        left.encode(MANY)
    assert len(asked) == 2
    with Turnstile().passed(is_wanted):
        left.encode(MANY[:SHARE_TEXTS])
    assert len(asked) == 2
