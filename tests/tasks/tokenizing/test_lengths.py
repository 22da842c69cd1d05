"""Cutting and windows against the truncation built into the Rust tokenizers."""

from __future__ import annotations

import itertools

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from naiad.tasks.tokenizing.lengths import fit_pair, windows

RUST_STRATEGY = {"first": "only_first", "second": "only_second", "longest": "longest_first"}


@pytest.fixture(scope="module")
def rust() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


@pytest.mark.parametrize("strategy", ["first", "second", "longest"])
def test_pairs_are_cut_as_the_rust_tokenizers_cut_them(rust: Tokenizer, strategy: str) -> None:
    compared = 0
    for first, second, room in itertools.product(range(1, 9), range(1, 9), range(1, 12)):
        rust.enable_truncation(room, strategy=RUST_STRATEGY[strategy])
        if fit_pair(first, second, room, strategy) is None:
            with pytest.raises(Exception, match="too short"):
                rust.encode("a " * first, "b " * second)
            continue
        ids = rust.encode("a " * first, "b " * second).ids
        assert (ids.count(0), ids.count(1)) == fit_pair(first, second, room, strategy), (first, second, room)
        compared += 1
    assert compared > 200


def test_a_half_that_is_too_short_to_give_way_is_refused() -> None:
    assert fit_pair(2, 10, 9, "first") is None
    assert fit_pair(10, 2, 9, "second") is None
    assert fit_pair(4, 10, 11, "first") == (1, 10)


@pytest.mark.parametrize("size", [3, 5, 8])
@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_windows_are_those_of_the_rust_tokenizers(rust: Tokenizer, size: int, overlap: int) -> None:
    rust.enable_truncation(size, stride=overlap)
    for tokens in range(1, 30):
        encoding = rust.encode("a " * tokens)
        expected = [len(part.ids) for part in (encoding, *encoding.overflowing)]
        found = list(windows(tokens, size, overlap))
        assert expected == [end - begin for begin, end in found]
        assert found[-1][1] == tokens
        assert all(after[0] == before[1] - overlap for before, after in itertools.pairwise(found))


def test_no_tokens_give_one_empty_window() -> None:
    assert list(windows(0, 4, 1)) == [(0, 0)]
