from __future__ import annotations

import pytest

from naiad.core.nearest import did_you_mean, nearest

KNOWN = ("max_batch_size", "instances", "decoupled")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("max_batch", "max_batch_size"), ("instance", "instances"), ("timeout", ""), ("", ""), ("decoupled", "decoupled")],
)
def test_nearest(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == meant


def test_nothing_is_like_a_word_when_more_is_asked_for() -> None:
    assert nearest("max_batch", KNOWN, 0.9) == ""


def test_the_end_of_a_sentence() -> None:
    assert did_you_mean("decupled", KNOWN, "; known: …") == "; did you mean 'decoupled'?"
    assert did_you_mean("x", KNOWN, "; known: …") == "; known: …"
    assert did_you_mean("x", KNOWN) == ""
    assert did_you_mean("x", []) == ""
