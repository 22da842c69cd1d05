"""Texts to token ids and back.

The tokenizer (made in `families/`) gives whole texts and pairs with their special tokens; cutting to the model's
maximum happens here, so that we know what was cut. No state changes after loading, so every method may be called from
any thread.

Not here: files (`loading.py`), calling the library (`backend.py`) and the arithmetic of lengths (`lengths.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.tensor import Array
from naiad.tasks.tokenizing.backend import Backend
from naiad.tasks.tokenizing.frames import pair_frame, ranges_of, single_frame
from naiad.tasks.tokenizing.lengths import CutStrategy, fit_pair, windows
from naiad.tasks.tokenizing.rows import TokenizedPair, TokenizedText, Window
from naiad.tasks.tokenizing.settings import TokenizerSettings
from naiad.tasks.tokenizing.spaces import clean_up_spaces


class Tokenizer:
    """A checkpoint's tokenizer, with the maximum length and special tokens of its settings."""

    def __init__(self, rust: Any, settings: TokenizerSettings) -> None:
        """Take over a `tokenizers.Tokenizer`; use `load_tokenizer` to get one from a folder."""
        rust.no_truncation()
        rust.no_padding()
        self._rust = rust
        self._settings = settings
        self._backend = Backend(rust, settings)
        self._gives_type_ids = settings.gives_type_ids
        self._cuts_left = settings.cuts_left
        self._odd_to_first = settings.odd_to_first
        self._cleans_up_spaces = settings.cleans_up_spaces
        self.max_tokens = settings.max_tokens
        self.special_tokens = settings.special_tokens
        self._single = single_frame(rust)
        self._pair = pair_frame(rust)
        if self.max_tokens <= self._single.total:
            raise LoadFailed(
                f"the tokenizer's maximum of {self.max_tokens} tokens leaves no room for text beside its "
                f"{self._single.total} special tokens"
            )
        if self._gives_type_ids and any(rust.encode("a").type_ids):
            raise LoadFailed("the tokenizer gives token types to single texts, which Naiad does not pass on")

    def of_length(self, max_tokens: int) -> Tokenizer:
        """The same tokenizer with another maximum. Raises LoadFailed for one that leaves no room for text."""
        return Tokenizer(self._rust, replace(self._settings, max_tokens=max_tokens))

    def encode(self, texts: list[str]) -> tuple[list[Array], int]:
        """Token ids of each text, (tokens,) int64, cut to the maximum; and how many were cut.

        Raises InvalidRequest for a text without any tokens.
        """
        limit = self.max_tokens
        arrays: list[Array] = []
        cut = 0
        for encoding in self._backend.encode(texts):
            ids = encoding.ids
            if len(ids) > limit:
                ids = self._cut(ids)
                cut += 1
            elif not ids:
                raise _no_tokens(len(arrays))
            arrays.append(np.array(ids, dtype=np.int64))
        return arrays, cut

    def bare_ids(self, texts: list[str]) -> list[Array]:
        """Ids of each text, (tokens,) int64, without special tokens, not cut beyond MAX_CHARACTERS; perhaps none."""
        return [np.array(encoding.ids, dtype=np.int64) for encoding in self._backend.encode_bare(texts)]

    def encode_with_offsets(self, texts: list[str]) -> list[TokenizedText]:
        """Like `encode`, with the place of each token in its text."""
        rows: list[TokenizedText] = []
        for encoding, shift in self._backend.encode_with_offsets(texts):
            ids, offsets, special = encoding.ids, encoding.offsets, encoding.special_tokens_mask
            is_cut = len(ids) > self.max_tokens
            if is_cut:
                ids, offsets, special = self._cut(ids), self._cut(offsets), self._cut(special)
            elif not ids:
                raise _no_tokens(len(rows))
            places, is_special = np.array(offsets, dtype=np.int64), np.array(special, dtype=np.bool_)
            places[~is_special] += shift
            rows.append(TokenizedText(np.array(ids, dtype=np.int64), places, is_special, is_cut))
        return rows

    def encode_pieces(self, text: str, overlap: int) -> list[TokenizedText]:
        """The whole of a text in pieces no longer than the maximum, each sharing `overlap` tokens with the one before.

        Raises InvalidRequest where the overlap is as long as a piece, or the text has no tokens.
        """
        encoding = self._backend.encode_whole(text)
        ids, _, offsets, _ = _columns(encoding)
        special = np.array(encoding.special_tokens_mask, dtype=np.bool_)
        if not len(ids):
            raise _no_tokens(0)
        before, end = self._single.before, len(ids) - self._single.after
        room = self.max_tokens - self._single.total
        if overlap >= room:
            raise InvalidRequest(f"the overlap of {overlap} tokens must be less than the {room} that fit in a piece")
        pieces: list[TokenizedText] = []
        for first, last in self._windows(end - before, room, overlap):
            kept = ranges_of((0, before), (before + first, before + last), (end, len(ids)))
            pieces.append(TokenizedText(ids[kept], offsets[kept], special[kept]))
        return pieces

    def encode_pairs(self, pairs: Sequence[tuple[str, str]], strategy: CutStrategy) -> list[TokenizedPair]:
        """Rows of tokens for pairs of texts, cut to the maximum by `strategy`.

        Raises InvalidRequest where the half that may be cut is too short for the pair to fit.
        """
        encodings = self._backend.encode_pairs(pairs)
        rows: list[TokenizedPair] = []
        for index, (pair, encoding) in enumerate(zip(pairs, encodings, strict=True)):
            whole = encoding
            if strategy == "longest" and self._needs_lengths(encoding) and self._backend.is_shortened(*pair):
                whole = self._backend.encode_whole(*pair)
            rows.append(self._pair_row(whole, strategy, index))
        return rows

    def encode_windows(self, question: str, context: str, size: int, overlap: int) -> list[Window]:
        """The question with each of the windows over the context, `size` tokens each at most.

        Windows share `overlap` tokens of the context. Raises InvalidRequest where the question leaves too little room.
        """
        encoding = self._backend.encode_whole(question, context)
        total, asked = len(encoding.ids), encoding.sequence_ids.count(0)
        begin = self._pair.before + asked + self._pair.between
        tokens = total - begin - self._pair.after
        room = size - asked - self._pair.total
        if room < tokens and room <= overlap:
            raise InvalidRequest(
                f"the question has {asked} tokens, which leaves room for {max(room, 0)} of the context in {size}: "
                f"more than the overlap of {overlap} are needed; shorten the question or raise max_seq_len"
            )
        columns = _columns(encoding)
        found: list[Window] = []
        for first, last in self._windows(tokens, max(room, 1), overlap):
            kept = ranges_of((0, begin), (begin + first, begin + last), (total - self._pair.after, total))
            ids, type_ids, offsets, words = (column[kept] for column in columns)
            place = slice(begin, begin + last - first)
            found.append(Window(ids, type_ids if self._gives_type_ids else None, place, offsets, words))
        return found

    def decode(self, rows: list[list[int]], skip_special_tokens: bool = False) -> list[str]:
        """The texts that rows of ids stand for."""
        texts: list[str] = self._rust.decode_batch(rows, skip_special_tokens=skip_special_tokens)
        return [clean_up_spaces(text) for text in texts] if self._cleans_up_spaces else texts

    def join(self, tokens: list[str]) -> str:
        """Tokens, as `token` gives them, made into the words they are parts of."""
        decoder = self._rust.decoder
        return " ".join(tokens) if decoder is None else str(decoder.decode(tokens))

    def token(self, id_: int) -> str:
        """How the vocabulary writes a token. Raises LoadFailed for an id that the vocabulary does not have."""
        token: str | None = self._rust.id_to_token(id_)
        if token is None:
            raise LoadFailed(f"the tokenizer has no token {id_}")
        return token

    def token_id(self, token: str) -> int | None:
        """A token's number; None where the vocabulary does not have it."""
        found: int | None = self._rust.token_to_id(token)
        return found

    def first_token_id(self, text: str) -> int | None:
        """Number of the first token of a text without special tokens; None where it has none."""
        ids = self._rust.encode(text, add_special_tokens=False).ids
        return ids[0] if ids else None

    def special_id(self, role: str) -> int | None:
        """Number of the special token that has this role (mask, pad, cls …); None where there is none."""
        token = self.special_tokens.get(role)
        return None if token is None else self.token_id(token)

    @property
    def marks_subwords(self) -> bool:
        """Whether tokens that continue a word are written with a prefix, as WordPiece does."""
        return bool(getattr(self._rust.model, "continuing_subword_prefix", None))

    def _cut(self, values: list[Any]) -> list[Any]:
        """The tokens of one text that fit, with the special tokens around them."""
        return self._single.cut(values, self.max_tokens, self._cuts_left)

    def _windows(self, tokens: int, size: int, overlap: int) -> list[tuple[int, int]]:
        """Windows over a long text, laid from the end that is not cut off; in the order of the text."""
        found = list(windows(tokens, size, overlap))
        return [(tokens - end, tokens - begin) for begin, end in reversed(found)] if self._cuts_left else found

    def _pair_row(self, encoding: Any, strategy: CutStrategy, index: int) -> TokenizedPair:
        ids = np.array(encoding.ids, dtype=np.int64)
        type_ids = np.array(encoding.type_ids, dtype=np.int64) if self._gives_type_ids else None
        if not len(ids):
            raise _no_tokens(index)
        is_cut = len(ids) > self.max_tokens
        if is_cut:
            kept = self._kept_of_pair(encoding, strategy, index)
            ids, type_ids = ids[kept], None if type_ids is None else type_ids[kept]
        return TokenizedPair(ids, type_ids, is_cut)

    def _needs_lengths(self, encoding: Any) -> bool:
        """Whether which half of a pair is longer decides what is kept: both too long, and an odd number fits."""
        room = self.max_tokens - self._pair.total
        if room % 2 == 0 or self._odd_to_first or len(encoding.ids) <= self.max_tokens:
            return False
        first: int = encoding.sequence_ids.count(0)
        return min(first, len(encoding.ids) - first - self._pair.total) > room // 2

    def _kept_of_pair(self, encoding: Any, strategy: CutStrategy, index: int) -> Array:
        """Positions to keep of a pair that is too long."""
        frame, total = self._pair, len(encoding.ids)
        first = encoding.sequence_ids.count(0)
        second = total - first - frame.total
        fit = fit_pair(first, second, self.max_tokens - frame.total, strategy, self._odd_to_first)
        if fit is None:
            fixed = second if strategy == "first" else first
            raise InvalidRequest(
                f"pair {index}: the part that is not cut has {fixed} tokens, which leaves no room for the other in "
                f"{self.max_tokens}",
                element=index,
            )
        return frame.positions(first, second, fit, self._cuts_left)


def _columns(encoding: Any) -> tuple[Array, Array, Array, Array]:
    """Ids, type ids, offsets and word numbers of an encoding, -1 for tokens of no word."""
    words = [-1 if word is None else word for word in encoding.word_ids]
    ids, type_ids, numbers = (np.array(row, dtype=np.int64) for row in (encoding.ids, encoding.type_ids, words))
    return ids, type_ids, np.array(encoding.offsets, dtype=np.int64), numbers


def _no_tokens(index: int) -> InvalidRequest:
    return InvalidRequest(f"text {index} has no tokens: this model cannot take an empty text", element=index)
