"""What tokenising gives: rows of tokens, with what decoding needs to find its way back to the characters."""

from __future__ import annotations

from dataclasses import dataclass

from naiad.core.tensor import Array


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text with what is needed to find its tokens in it again."""

    ids: Array
    """(tokens,) int64."""
    offsets: Array
    """(tokens, 2) int64: begin and end in characters of the text."""
    is_special: Array
    """(tokens,) bool: added around the text, not part of it."""
    is_cut: bool = False
    """Whether the text was longer than the maximum."""


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """One pair as a single row of tokens."""

    ids: Array
    """(tokens,) int64."""
    type_ids: Array | None
    """(tokens,) int64; None where the encoder has no use for them."""
    is_cut: bool = False
    """Whether the pair was longer than the maximum."""


@dataclass(frozen=True, slots=True)
class Window:
    """A question with a stretch of its context."""

    ids: Array
    """(tokens,) int64."""
    type_ids: Array | None
    """(tokens,) int64; None where the encoder has no use for them."""
    context: slice
    """Where in `ids` the context's tokens stand."""
    offsets: Array
    """(tokens, 2) int64: begin and end in characters of the context or question; special tokens (0, 0)."""
    words: Array
    """(tokens,) int64: number of the word in its text; -1 for special tokens."""
