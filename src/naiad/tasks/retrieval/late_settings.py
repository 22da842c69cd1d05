"""What a late-interaction checkpoint says of its texts: markers, lengths, expansion of queries, tokens left out.

Three libraries write it down in places of their own: sentence-transformers 6 (in its modules), PyLate (in
config_sentence_transformers.json) and Stanford's ColBERT (artifact.metadata). What they leave out has the defaults that
sentence-transformers 6 reads them with. Not here: what follows for a text (`late_tokens.py`).
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from naiad.core.errors import LoadFailed, Unsupported
from naiad.repository.checkpoint import PYLATE, STANFORD, Checkpoint, read_object
from naiad.tasks.tokenizing.transformer_keys import kind_length, text_max_length

USUAL_LENGTH = 32
"""Tokens that queries are filled up to, where a checkpoint that expands them does not say."""

_PYLATE_KEYS = frozenset(
    {
        "query_length",
        "document_length",
        "query_prefix",
        "document_prefix",
        "do_query_expansion",
        "attend_to_expansion_tokens",
        "attend_to_mask_tokens",
        "skiplist_words",
    }
)
"""Any of them makes a checkpoint one that expands queries, unless it says otherwise."""

_MARKERS = frozenset({"query_prefix", "document_prefix"})


@dataclass(frozen=True, slots=True)
class Expansion:
    """Queries are filled up with tokens that have vectors, too."""

    length: int
    is_fixed: bool = True
    """Longer queries are cut to the length; else they stay as they are."""
    is_attended: bool = False
    """The query's own tokens attend to the filling."""
    token: str = ""
    """What to fill with; empty: the mask token, else the one for the end."""


@dataclass(frozen=True, slots=True)
class LateSettings:
    """Settings for each kind of text, `query` and `document`."""

    prompts: Mapping[str, str] = field(default_factory=dict)
    markers: Mapping[str, str] = field(default_factory=dict)
    """Begins of prompts that stand for one token."""
    lengths: Mapping[str, int | None] = field(default_factory=dict)
    """In tokens, all special ones included; None: the model's."""
    expansion: Expansion | None = None
    skipped: tuple[str, ...] = ()
    """Tokens without a vector."""
    skipped_kinds: tuple[str, ...] = ("document",)
    kept_ids: tuple[int, ...] = ()
    """Documents: the only tokens with a vector; empty: all of them."""
    is_mean: bool = False
    """Scores are divided by the number of the query's vectors."""


def read_late_settings(checkpoint: Checkpoint) -> LateSettings:
    """Read them. Raises LoadFailed for values that make no sense, Unsupported for ways of comparing not known."""
    saved = dict(checkpoint.sentence_settings)
    transformer = checkpoint.transformer_settings
    if checkpoint.architecture == STANFORD and not checkpoint.modules:
        saved = _of_stanford(checkpoint, saved)
    markers = {kind: str(saved[f"{kind}_prefix"] or "") for kind in ("query", "document") if f"{kind}_prefix" in saved}
    skipped, skipped_kinds, kept = _mask(checkpoint, saved)
    lengths = {kind: _length(transformer, saved, kind) for kind in ("query", "document")}
    expansion = _expansion(checkpoint, transformer, saved)
    if text_max_length(transformer) is not None and (expansion or any(lengths.values())):
        raise Unsupported(
            f"{checkpoint.body}: processing_kwargs.text.max_length in sentence_bert_config.json stands against the "
            "lengths and the expansion of queries; remove it, and set query_length and document_length"
        )
    return LateSettings(
        prompts=_prompts(saved, markers),
        markers=markers,
        lengths=lengths,
        expansion=expansion,
        skipped=skipped,
        skipped_kinds=skipped_kinds,
        kept_ids=kept,
        is_mean=_is_mean(saved),
    )


def _of_stanford(checkpoint: Checkpoint, saved: dict[str, Any]) -> dict[str, Any]:
    """artifact.metadata in PyLate's words."""
    metadata = read_object(checkpoint.folder / "artifact.metadata")
    return {
        **saved,
        "query_prefix": (metadata.get("query_token_id") or "[unused0]") + " ",
        "document_prefix": (metadata.get("doc_token_id") or "[unused1]") + " ",
        "query_length": metadata.get("query_maxlen"),
        "document_length": metadata.get("doc_maxlen"),
        "attend_to_expansion_tokens": metadata.get("attend_to_mask_tokens"),
        "skiplist_words": list(string.punctuation) if metadata.get("mask_punctuation", True) else [],
    }


def _prompts(saved: Mapping[str, Any], markers: Mapping[str, str]) -> dict[str, str]:
    prompts = {str(name): str(text or "") for name, text in (saved.get("prompts") or {}).items()}
    for kind, marker in markers.items():
        prompts[kind] = marker + prompts.get(kind, "").removeprefix(marker)
    return prompts


def _length(transformer: Mapping[str, Any], saved: Mapping[str, Any], kind: str) -> int | None:
    length = kind_length(transformer, kind)
    return kind_length(saved, kind) if length is None else length


def _expansion(checkpoint: Checkpoint, transformer: Mapping[str, Any], saved: Mapping[str, Any]) -> Expansion | None:
    for place in (transformer, saved):
        if "query_expansion" in place:
            return _written_expansion(checkpoint, place["query_expansion"])
    if _PYLATE_KEYS.isdisjoint(saved) or saved.get("do_query_expansion") is False:
        return None
    attends = saved.get("attend_to_expansion_tokens", saved.get("attend_to_mask_tokens"))
    return Expansion(kind_length(saved, "query") or USUAL_LENGTH, is_attended=bool(attends))


def _written_expansion(checkpoint: Checkpoint, written: Any) -> Expansion | None:
    if written is None:
        return None
    length = written.get("length") if isinstance(written, dict) else None
    known = isinstance(written, dict) and written.keys() <= {"strategy", "attend", "token", "length"}
    if not known or written.get("strategy") not in ("fixed", "min") or type(length) is not int or length < 1:
        raise LoadFailed(
            f"{checkpoint.folder}: query_expansion is {written!r}; a strategy (fixed or min) and a length are expected"
        )
    return Expansion(
        length, written["strategy"] == "fixed", bool(written.get("attend", False)), str(written.get("token") or "")
    )


def _mask(checkpoint: Checkpoint, saved: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Tokens left out, of which kinds of texts, and those that alone are kept."""
    usual = ("document",)
    for module in checkpoint.modules:
        if module.kind == "MultiVectorMask":
            content = read_object(module.folder / "config.json")
            kinds = content.get("skiplist_tasks") or usual
            kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
            return tuple(content.get("skiplist_words") or ()), kinds, tuple(content.get("keep_only_token_ids") or ())
    words = saved.get("skiplist_words")
    if words is None:
        words = string.punctuation if _is_pylates(checkpoint, saved) else ()
    return tuple(words), usual, ()


def _is_pylates(checkpoint: Checkpoint, saved: Mapping[str, Any]) -> bool:
    """Whether sentence-transformers 6 takes a folder for PyLate's, which skips punctuation unless it says otherwise.

    By its model_type, or by a marker in a folder of modules that names no other kind.
    """
    kind = saved.get("model_type")
    has_markers = not _MARKERS.isdisjoint(saved)
    return kind == PYLATE or (kind in (None, "SentenceTransformer") and has_markers and bool(checkpoint.modules))


def _is_mean(saved: Mapping[str, Any]) -> bool:
    """Whether MaxSim is divided; older files may carry along how single vectors are compared, which means nothing."""
    named = str(saved.get("similarity_fn_name") or "maxsim").lower()
    if named not in ("maxsim", "meanmaxsim", "cosine", "dot"):
        raise Unsupported(f"similarity_fn_name is {named!r}; late interaction compares by maxsim or meanmaxsim")
    return named == "meanmaxsim"
