"""Texts to token ids and back.

The Rust tokenizer (made in `loading.py`) gives whole texts and pairs with their special tokens; cutting to the model's
maximum happens here, so that we know what was cut. No state changes after loading, so every method may be called from
any thread; the batch calls release the GIL, which the call for a single text does not.

Not here: files (`loading.py`) and the arithmetic of lengths (`lengths.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.tensor import Array
from naiad.tasks.text.lengths import CutStrategy, fit_pair, windows
from naiad.tasks.text.rows import TokenizedPair, TokenizedText, Window
from naiad.tasks.text.settings import TokenizerSettings
from naiad.tasks.text.spaces import clean_up_spaces

CHARACTERS_PER_TOKEN = 16
"""First guess for how much of a long text is needed; ordinary text has 3 to 6. A wrong guess costs time only."""

MAX_CHARACTERS = 1_000_000
"""Of one text that are tokenised at most: the library needs about 200 bytes of memory for each."""

SPARE_TOKENS = 32
"""Tokens beyond the maximum that the head of a long text must give: only those next to the cut can differ."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """How many special tokens stand before, between and after the texts."""

    before: int
    between: int
    after: int

    @property
    def total(self) -> int:
        return self.before + self.between + self.after


class Tokenizer:
    """A checkpoint's tokenizer, with the maximum length and special tokens of its settings."""

    def __init__(self, backend: Any, settings: TokenizerSettings, uses_type_ids: bool) -> None:
        """Take over `backend`, a `tokenizers.Tokenizer`; use `load_tokenizer` to get one from a folder."""
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self._uses_type_ids = uses_type_ids
        self._lowercases_first = settings.lowercases_first
        self._cleans_up_spaces = settings.cleans_up_spaces
        self.max_tokens = settings.max_tokens
        self.special_tokens = settings.special_tokens
        self._single = _single_frame(backend)
        self._pair = _pair_frame(backend)
        if self.max_tokens <= self._single.total:
            raise LoadFailed(
                f"the tokenizer's maximum of {self.max_tokens} tokens leaves no room for text beside its "
                f"{self._single.total} special tokens"
            )

    def encode(self, texts: list[str]) -> tuple[list[Array], int]:
        """Token ids of each text, (tokens,) int64, cut to the maximum; and how many were cut.

        Raises InvalidRequest for a text without any tokens.
        """
        limit = self.max_tokens
        arrays: list[Array] = []
        cut = 0
        for encoding in self._encode_heads(texts):
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
        if self._lowercases_first:
            texts = [text.lower() for text in texts]
        texts = [text[:MAX_CHARACTERS] for text in texts]
        encodings = self._backend.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]

    def encode_with_offsets(self, texts: list[str]) -> list[TokenizedText]:
        """As `encode`, with the place of each token in its text."""
        rows: list[TokenizedText] = []
        for encoding in self._encode_heads(texts, with_offsets=True):
            ids, offsets, special = encoding.ids, encoding.offsets, encoding.special_tokens_mask
            is_cut = len(ids) > self.max_tokens
            if is_cut:
                ids, offsets, special = self._cut(ids), self._cut(offsets), self._cut(special)
            elif not ids:
                raise _no_tokens(len(rows))
            places = np.array(offsets, dtype=np.int64)
            rows.append(TokenizedText(np.array(ids, dtype=np.int64), places, np.array(special, dtype=np.bool_), is_cut))
        return rows

    def encode_pieces(self, text: str, overlap: int) -> list[TokenizedText]:
        """The whole of a text in pieces no longer than the maximum, each sharing `overlap` tokens with the one before.

        Raises InvalidRequest where the overlap is as long as a piece, or the text has no tokens.
        """
        _check_length(text)
        encoding = self._backend.encode_batch([text.lower() if self._lowercases_first else text])[0]
        ids, _, offsets, _ = _columns(encoding)
        special = np.array(encoding.special_tokens_mask, dtype=np.bool_)
        if not len(ids):
            raise _no_tokens(0)
        before, end = self._single.before, len(ids) - self._single.after
        room = self.max_tokens - self._single.total
        if overlap >= room:
            raise InvalidRequest(f"the overlap of {overlap} tokens must be less than the {room} that fit in a piece")
        pieces: list[TokenizedText] = []
        for first, last in windows(end - before, room, overlap):
            kept = _positions((0, before), (before + first, before + last), (end, len(ids)))
            pieces.append(TokenizedText(ids[kept], offsets[kept], special[kept]))
        return pieces

    def encode_pairs(self, pairs: Sequence[tuple[str, str]], strategy: CutStrategy) -> list[TokenizedPair]:
        """Rows of tokens for pairs of texts, cut to the maximum by `strategy`.

        Raises InvalidRequest where the half that may be cut is too short for the pair to fit.
        """
        rows: list[TokenizedPair] = []
        heads = [(self._head(first), self._head(second)) for first, second in pairs]
        for index, encoding in enumerate(self._backend.encode_batch_fast(heads)):
            ids = np.array(encoding.ids, dtype=np.int64)
            type_ids = np.array(encoding.type_ids, dtype=np.int64) if self._uses_type_ids else None
            is_cut = len(ids) > self.max_tokens
            if is_cut:
                kept = self._kept_of_pair(encoding, strategy, index)
                ids, type_ids = ids[kept], None if type_ids is None else type_ids[kept]
            rows.append(TokenizedPair(ids, type_ids, is_cut))
        return rows

    def encode_windows(self, question: str, context: str, size: int, overlap: int) -> list[Window]:
        """The question with each of the windows over the context, `size` tokens each at most.

        Windows share `overlap` tokens of the context. Raises InvalidRequest where the question leaves too little room.
        """
        _check_length(question)
        _check_length(context)
        encoding = self._backend.encode_batch([(question, context)])[0]
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
        for first, last in windows(tokens, max(room, 1), overlap):
            kept = _positions((0, begin), (begin + first, begin + last), (total - self._pair.after, total))
            ids, type_ids, offsets, words = (column[kept] for column in columns)
            place = slice(begin, begin + last - first)
            found.append(Window(ids, type_ids if self._uses_type_ids else None, place, offsets, words))
        return found

    def decode(self, rows: list[list[int]], skip_special_tokens: bool = False) -> list[str]:
        """The texts that rows of ids stand for."""
        texts: list[str] = self._backend.decode_batch(rows, skip_special_tokens=skip_special_tokens)
        return [clean_up_spaces(text) for text in texts] if self._cleans_up_spaces else texts

    def join(self, tokens: list[str]) -> str:
        """Tokens, as `token` gives them, made into the words they are parts of."""
        decoder = self._backend.decoder
        return " ".join(tokens) if decoder is None else str(decoder.decode(tokens))

    def token(self, id_: int) -> str:
        """How the vocabulary writes a token. Raises LoadFailed for an id that the vocabulary does not have."""
        token: str | None = self._backend.id_to_token(id_)
        if token is None:
            raise LoadFailed(f"the tokenizer has no token {id_}")
        return token

    def token_id(self, token: str) -> int | None:
        """A token's number; None where the vocabulary does not have it."""
        found: int | None = self._backend.token_to_id(token)
        return found

    def first_token_id(self, text: str) -> int | None:
        """Number of the first token of a text without special tokens; None where it has none."""
        ids = self._backend.encode(text, add_special_tokens=False).ids
        return ids[0] if ids else None

    def special_id(self, role: str) -> int | None:
        """Number of the special token that has this role (mask, pad, cls …); None where there is none."""
        token = self.special_tokens.get(role)
        return None if token is None else self.token_id(token)

    @property
    def marks_subwords(self) -> bool:
        """Whether tokens that continue a word are written with a prefix, as WordPiece does."""
        return bool(getattr(self._backend.model, "continuing_subword_prefix", None))

    def _encode_heads(self, texts: list[str], with_offsets: bool = False) -> Sequence[Any]:
        """Encodings of the texts; of long texts as much as the maximum can need and a little more."""
        if self._lowercases_first:
            texts = [text.lower() for text in texts]
        if max(map(len, texts)) > self.max_tokens * CHARACTERS_PER_TOKEN:
            texts = [self._head(text) for text in texts]
        backend = self._backend
        encodings: Sequence[Any] = backend.encode_batch(texts) if with_offsets else backend.encode_batch_fast(texts)
        return encodings

    def _head(self, text: str) -> str:
        """The text, or a beginning of it that surely has more tokens than the maximum.

        Tokenizers work from left to right over words, so what follows a beginning can change only the tokens next to
        the cut, of which there are SPARE_TOKENS too many. Raises InvalidRequest where MAX_CHARACTERS do not suffice.
        """
        size = min(self.max_tokens * CHARACTERS_PER_TOKEN, MAX_CHARACTERS)
        while size < len(text):
            space = text.rfind(" ", size // 2, size)
            head = text[: space if space > 0 else size]
            if len(self._backend.encode_batch_fast([head])[0].ids) >= self.max_tokens + SPARE_TOKENS:
                return head
            if size == MAX_CHARACTERS:
                raise InvalidRequest(
                    f"a text of {len(text)} characters has fewer than {self.max_tokens} tokens in the first "
                    f"{MAX_CHARACTERS}: it is not text, or mostly white space"
                )
            size = min(size * 4, MAX_CHARACTERS)
        return text

    def _cut(self, values: list[Any]) -> list[Any]:
        """The first of one text's tokens that fit, with the special tokens around them."""
        after = self._single.after
        return values[: self.max_tokens - after] + (values[-after:] if after else [])

    def _kept_of_pair(self, encoding: Any, strategy: CutStrategy, index: int) -> Array:
        """Positions to keep of a pair that is too long."""
        frame, total = self._pair, len(encoding.ids)
        first = encoding.sequence_ids.count(0)
        second = total - first - frame.total
        fit = fit_pair(first, second, self.max_tokens - frame.total, strategy)
        if fit is None:
            fixed = second if strategy == "first" else first
            raise InvalidRequest(
                f"pair {index}: the part that is not cut has {fixed} tokens, which leaves no room for the other in "
                f"{self.max_tokens}",
                element=index,
            )
        begin = frame.before + first + frame.between
        head, tail = (0, frame.before + fit[0]), (total - frame.after, total)
        return _positions(head, (frame.before + first, begin + fit[1]), tail)


def _check_length(text: str) -> None:
    """Refuse a text that would have to be tokenised whole and is too long for it."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidRequest(f"a text has {len(text)} characters, {MAX_CHARACTERS} are read at most: send it in parts")


def _positions(*ranges: tuple[int, int]) -> Array:
    """The positions of several ranges, one after the other."""
    return np.concatenate([np.arange(begin, end) for begin, end in ranges])


def _columns(encoding: Any) -> tuple[Array, Array, Array, Array]:
    """Ids, type ids, offsets and word numbers of an encoding, -1 for tokens of no word."""
    words = [-1 if word is None else word for word in encoding.word_ids]
    ids, type_ids, numbers = (np.array(row, dtype=np.int64) for row in (encoding.ids, encoding.type_ids, words))
    return ids, type_ids, np.array(encoding.offsets, dtype=np.int64), numbers


def _single_frame(backend: Any) -> _Frame:
    """Count the special tokens around a text by looking at one."""
    mask = backend.encode("a").special_tokens_mask
    before = mask.index(0) if 0 in mask else len(mask)
    return _Frame(before, 0, sum(mask) - before)


def _pair_frame(backend: Any) -> _Frame:
    """Count the special tokens around a pair by looking at one."""
    encoding = backend.encode("a", "a")
    parts = encoding.sequence_ids
    if 0 not in parts or 1 not in parts:
        raise LoadFailed("the tokenizer gives no tokens for the text 'a'; its vocabulary needs an unknown token")
    before, begin = parts.index(0), parts.index(1)
    return _Frame(before, begin - before - parts.count(0), len(parts) - begin - parts.count(1))


def _no_tokens(index: int) -> InvalidRequest:
    return InvalidRequest(f"text {index} has no tokens: this model cannot take an empty text", element=index)
