"""Which known name a word that is not known was probably meant to be; for the ends of error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

USUAL = 0.6
"""The least likeness of two words of which one is taken for the other: 2 * letters in common / letters of both."""


def nearest(word: str, known: Iterable[str], likeness: float = USUAL) -> str:
    """The known name most like the word; empty where none is like it."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=likeness)), "")


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "", likeness: float = USUAL) -> str:
    """`; did you mean 'NAME'?` with the known name most like the word, or what is to be said otherwise."""
    name = nearest(word, known, likeness)
    return f"; did you mean '{name}'?" if name else otherwise
