"""Texts to rows of tokens for late interaction: marker, length, expansion, and which of them have a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from naiad.core.encoding.encoder import TextTokens
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array
from naiad.tasks.retrieval.late_settings import LateSettings
from naiad.tasks.tokenizing.rows import TokenizedText
from naiad.tasks.tokenizing.tokenizer import Tokenizer

WANTED = ("embedding",)


@dataclass(frozen=True, slots=True)
class LateRow:
    """One text on its way through the encoder."""

    text: TextTokens
    counts: Array
    """(tokens,) bool: which of them have a vector."""
    is_cut: bool


class LateTokens:
    """Texts of one checkpoint, by kind: `query` or `document`."""

    def __init__(self, settings: LateSettings, tokenizer: Tokenizer) -> None:
        """Raises LoadFailed for an expansion token that the vocabulary does not have."""
        self._settings = settings
        self._tokenizer = tokenizer
        unknown = tokenizer.special_id("unk")
        ids = [tokenizer.token_id(word) for word in settings.skipped]
        self._skipped = np.array([number for number in ids if number is not None and number != unknown], np.int64)
        self._markers = {kind: self._marker(text) for kind, text in settings.markers.items()}
        self._filling = self._filling_id()

    def encode(self, texts: Sequence[str], kind: str, prompt: str | None = None) -> list[LateRow]:
        """Rows for texts of one kind. prompt: None for the kind's own."""
        own = self._settings.prompts.get(kind, "")
        prompt = own if prompt is None else prompt
        marker, number = self._markers.get(kind, ("", None))
        if number is not None and marker and prompt.startswith(marker):
            prompt = prompt[len(marker) :]
        else:
            number = None
        rows = self._tokenizer.encode_with_offsets([prompt + text for text in texts])
        return [self._row(row, kind, number) for row in rows]

    def _row(self, row: TokenizedText, kind: str, marker: int | None) -> LateRow:
        special = row.is_special
        before = int(np.argmin(special)) if not special.all() else len(special) // 2
        after = int(np.argmin(special[::-1])) if not special.all() else len(special) - before
        ids = row.ids
        if marker is not None:
            ids = np.insert(ids, before, marker)
        limit = self._limit(kind)
        is_cut = row.is_cut or len(ids) > limit
        if len(ids) > limit:
            ids = np.concatenate([ids[: limit - after], ids[len(ids) - after :]])
        counts = np.ones(len(ids), np.bool_)
        expansion = self._settings.expansion if kind == "query" else None
        missing = max(0, expansion.length - len(ids)) if expansion else 0
        if missing:
            ids = np.concatenate([ids, np.full(missing, self._filling, np.int64)])
            counts = np.ones(len(ids), np.bool_)
        if kind in self._settings.skipped_kinds and len(self._skipped):
            counts &= ~np.isin(ids, self._skipped)
        if kind != "query" and self._settings.kept_ids:
            counts &= np.isin(ids, self._settings.kept_ids)
        unseen = missing if expansion and not expansion.is_attended else 0
        return LateRow(TextTokens(ids, WANTED, unseen_tokens=unseen), counts, is_cut)

    def _limit(self, kind: str) -> int:
        longest = self._tokenizer.max_tokens
        length = self._settings.lengths.get(kind)
        expansion = self._settings.expansion if kind == "query" else None
        if expansion is not None:
            length = expansion.length if expansion.is_fixed else max(length or longest, expansion.length)
        return min(longest, length or longest)

    def _marker(self, prefix: str) -> tuple[str, int | None]:
        """The part of a prefix that is one token, and its number; none where the vocabulary has no such token."""
        for text in (prefix, *prefix.split(None, 1)[:1]):
            number = self._tokenizer.token_id(text) if text.strip() else None
            if number is not None:
                return text, number
        return "", None

    def _filling_id(self) -> int:
        expansion = self._settings.expansion
        if expansion is None:
            return 0
        roles = (self._tokenizer.special_id(role) for role in ("mask", "eos"))
        number = self._tokenizer.token_id(expansion.token) if expansion.token else next(filter(None, roles), None)
        if number is None:
            wanted = repr(expansion.token) if expansion.token else "mask token, which expands queries"
            raise LoadFailed(f"the tokenizer has no {wanted}")
        return number
