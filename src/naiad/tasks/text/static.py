"""Texts to rows of a table of static embeddings, as the library that made the table does it.

No special tokens stand around a text. sentence-transformers takes every token, cut only where tokenizer.json itself
says so. model2vec, which has a config.json beside the table, cuts at `max_length` tokens, 512 if not set, after a first
cut by characters, and then drops the tokens that its tokenizer does not know. A text without tokens is the table's last
row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from naiad.core.encoding.encoder import EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.core.tensor import Array
from naiad.repository.checkpoint import MODEL2VEC, Checkpoint, read_object
from naiad.tasks.tokenizing.tokenizer import Tokenizer

MODEL2VEC_MAX_LENGTH = 512
"""model2vec's DEFAULT_MAX_LENGTH."""


class StaticTokens:
    """The way from texts to ids for one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, tokenizer: Tokenizer, spec: EncoderSpec) -> None:
        """Raises LoadFailed for a max_length that is no number."""
        self._tokenizer = tokenizer
        self._nothing = np.array([spec.vocabulary - 1], np.int64)
        document = read_object(checkpoint.body / "tokenizer.json")
        truncation = document.get("truncation") or {}
        self.max_tokens = min(spec.max_tokens, int(truncation.get("max_length", spec.max_tokens)))
        self._max_characters: int | None = None
        self._dropped: int | None = None
        if checkpoint.table_writer == MODEL2VEC:
            self._obey_model2vec(checkpoint, document, spec)

    def _obey_model2vec(self, checkpoint: Checkpoint, document: dict[str, Any], spec: EncoderSpec) -> None:
        limit = checkpoint.config.get("max_length", MODEL2VEC_MAX_LENGTH)
        if limit is not None and (type(limit) is not int or limit < 1):
            raise LoadFailed(f"{checkpoint.body / 'config.json'}: max_length is {limit!r}, not a number of tokens")
        self.max_tokens = min(spec.max_tokens, limit or spec.max_tokens)
        if limit:
            self._max_characters = limit * int(np.median([len(token) for token in _tokens(document)]))
        self._dropped = _unknown_id(document, self._tokenizer)

    def encode(self, texts: list[str]) -> tuple[list[Array], int]:
        """Ids of each text, (tokens,) int64, at least one; and how many texts were cut."""
        shown = texts if self._max_characters is None else [text[: self._max_characters] for text in texts]
        found = self._tokenizer.bare_ids(shown)
        cut = sum(
            len(ids) > self.max_tokens or len(begin) < len(text)
            for text, begin, ids in zip(texts, shown, found, strict=True)
        )
        return [self._known(ids[: self.max_tokens]) for ids in found], cut

    def _known(self, ids: Array) -> Array:
        """Return the ids that count, or the table's last row if none does."""
        if self._dropped is not None:
            ids = ids[ids != self._dropped]
        return ids if len(ids) else self._nothing


def _tokens(document: dict[str, Any]) -> list[str]:
    """All tokens of a tokenizer.json: of a table, of Unigram's list of tokens and scores, and the added ones."""
    vocabulary = (document.get("model") or {}).get("vocab") or {}
    tokens = {row[0] if isinstance(row, list) else str(row) for row in vocabulary}
    return [*tokens.union(str(added.get("content")) for added in document.get("added_tokens") or [])] or [""]


def _unknown_id(document: dict[str, Any], tokenizer: Tokenizer) -> int | None:
    model = document.get("model") or {}
    if "unk_token" in model:
        return None if model["unk_token"] is None else tokenizer.token_id(model["unk_token"])
    unknown = model.get("unk_id")
    return unknown if isinstance(unknown, int) else None
