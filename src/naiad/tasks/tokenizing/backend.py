"""The library's tokenizer behind errors of ours, given no more of a long text than can count.

A text that the library cannot tokenise, or panics on, is an error of that text. Of a long one only a beginning is
tokenised, or its end where the beginning is cut off. Many texts are tokenised in shares, between which other threads
may go first. No state changes after loading, so every method may be called from any thread; the batch calls release the
GIL, which the call for a single text does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.core.foreign import is_librarys
from naiad.core.machine.turnstile import pause
from naiad.tasks.tokenizing.settings import TokenizerSettings

CHARACTERS_PER_TOKEN = 16
"""First guess for how much of a long text is needed; ordinary text has 3 to 6. A wrong guess costs time only."""

MAX_CHARACTERS = 1_000_000
"""The most of one text that is tokenised: the library needs about 200 bytes of memory for each."""

SHARE_CHARACTERS = 32_768
"""Tokenised without a pause, or one text: some 10 ms."""

SHARE_TEXTS = 256
"""The most texts tokenised without a pause."""

SPARE_TOKENS = 32
"""Tokens beyond the maximum that a part of a long text must give: only those next to the cut can differ."""


class Backend:
    """A `tokenizers.Tokenizer` and the limits on what it is given."""

    def __init__(self, rust: Any, settings: TokenizerSettings) -> None:
        self.rust = rust
        self._limit = settings.max_tokens
        self._cuts_left = settings.cuts_left
        self._reads_whole = settings.reads_whole

    def encode(self, texts: list[str]) -> Sequence[Any]:
        """Encodings of texts without offsets, of long ones as much as the maximum can need and a little more."""
        return self._call_in_shares(self.rust.encode_batch_fast, self._parts(texts))

    def encode_bare(self, texts: list[str]) -> Sequence[Any]:
        """Encodings of texts, up to MAX_CHARACTERS of each, without special tokens around them."""
        call = partial(self.rust.encode_batch_fast, add_special_tokens=False)
        return self._call_in_shares(call, [text[:MAX_CHARACTERS] for text in texts])

    def encode_with_offsets(self, texts: list[str]) -> list[tuple[Any, int]]:
        """Encodings of texts as `encode` gives them, each with what must be added to its offsets."""
        parts = self._parts(texts)
        shifts = [len(text) - len(part) if self._cuts_left else 0 for text, part in zip(texts, parts, strict=True)]
        return list(zip(self._call_in_shares(self.rust.encode_batch, parts), shifts, strict=True))

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> Sequence[Any]:
        """Encodings of pairs, as `encode` does texts."""
        pause()
        return self._call_in_shares(self.rust.encode_batch_fast, [(self.part(a), self.part(b)) for a, b in pairs])

    def is_shortened(self, *texts: str) -> bool:
        """Whether any of the texts may have been tokenised in part, and all of them could be as a whole."""
        lengths = [len(text) for text in texts]
        return self._limit * CHARACTERS_PER_TOKEN < max(lengths) <= MAX_CHARACTERS

    def encode_whole(self, *texts: str) -> Any:
        """Encoding of a text or a pair with offsets. Raises InvalidRequest for a text that is too long for that."""
        pause()
        for text in texts:
            if len(text) > MAX_CHARACTERS:
                raise InvalidRequest(
                    f"a text has {len(text)} characters, {MAX_CHARACTERS} are read at most: send it in parts"
                )
        return self._call(self.rust.encode_batch, [texts if len(texts) > 1 else texts[0]])[0]

    def part(self, text: str) -> str:
        """The text, or a beginning of it (an end, where the beginning is cut off) that surely has too many tokens.

        Tokenizers work from left to right over words, so what lies beyond can change only the tokens next to the cut,
        of which there are SPARE_TOKENS too many. Raises InvalidRequest where MAX_CHARACTERS do not suffice.
        """
        size = min(self._limit * CHARACTERS_PER_TOKEN, MAX_CHARACTERS)
        if self._reads_whole and size < len(text):
            size = MAX_CHARACTERS
        while size < len(text):
            pause()
            part = _end(text, size) if self._cuts_left else _beginning(text, size)
            if len(self._call(self.rust.encode_batch_fast, [part])[0].ids) >= self._limit + SPARE_TOKENS:
                return part
            if size == MAX_CHARACTERS:
                where = "last" if self._cuts_left else "first"
                raise InvalidRequest(
                    f"a text of {len(text)} characters has fewer than {self._limit} tokens in the {where} "
                    f"{MAX_CHARACTERS}: it is not text, or mostly white space"
                )
            size = min(size * 4, MAX_CHARACTERS)
        return text

    def _parts(self, texts: list[str]) -> list[str]:
        if max(map(len, texts)) <= self._limit * CHARACTERS_PER_TOKEN:
            return texts
        return [self.part(text) for text in texts]

    def _call_in_shares(self, call: Callable[[list[Any]], Sequence[Any]], inputs: list[Any]) -> Sequence[Any]:
        if len(inputs) == 1:
            return self._call(call, inputs)
        found: list[Any] = []
        for share in _shares(inputs):
            if found:
                pause()
            found += self._call(call, share, len(found))
        return found

    def _call(self, call: Callable[[list[Any]], Sequence[Any]], inputs: list[Any], before: int = 0) -> Sequence[Any]:
        """before: how many texts of the request have been tokenised before these."""
        try:
            return call(inputs)
        except BaseException as error:
            if not is_librarys(error):
                raise
            raise _name_culprit(call, inputs, error, before) from error


def _shares(inputs: list[Any]) -> Iterator[list[Any]]:
    """Cut texts, or pairs of them, into what is tokenised without a pause."""
    begin = characters = 0
    for index, one in enumerate(inputs):
        characters += sum(map(len, one)) if isinstance(one, tuple) else len(one)
        if characters >= SHARE_CHARACTERS or index + 1 - begin == SHARE_TEXTS:
            yield inputs[begin : index + 1]
            begin, characters = index + 1, 0
    if begin < len(inputs):
        yield inputs[begin:]


def _beginning(text: str, size: int) -> str:
    space = text.rfind(" ", size // 2, size)
    return text[: space if space > 0 else size]


def _end(text: str, size: int) -> str:
    begin = len(text) - size
    space = text.find(" ", begin, begin + size // 2)
    return text[space if space > 0 else begin :]


def _name_culprit(
    call: Callable[[list[Any]], Sequence[Any]], inputs: list[Any], error: BaseException, before: int
) -> NaiadError:
    """The error of the first input that fails alone. before: how many inputs there were before these."""
    for index, one in enumerate(inputs, before):
        try:
            call([one])
        except BaseException as own:
            if not is_librarys(own):
                raise
            for text in one if isinstance(one, tuple) else (one,):
                if any("\ud800" <= character <= "\udfff" for character in text):
                    return InvalidRequest(f"text {index} has half a surrogate pair in it", element=index)
            return ModelFailed(f"the tokenizer cannot read text {index}: {own}", element=index)
    return ModelFailed(f"the tokenizer failed: {error}")
