"""Tokens with labels become words, and words become entities: the aggregation strategies. Pure.

Labels are written B-X (an X begins), I-X (an X goes on), or plainly X, which counts as going on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.tensor import Array

Entity = dict[str, Any]
"""One entity of the answer: entity or entity_group, score, word, start, end; index where a single token is meant."""

Join = Callable[[list[str]], str]
"""Makes the text of some tokens."""


@dataclass(frozen=True, slots=True)
class TaggedToken:
    """One token, or one word made of several, with its best label."""

    word: str
    start: int
    """In characters of the text, as is `end`."""
    end: int
    label: str
    score: float
    index: int
    """Place in the row of tokens."""
    scores: Array
    """(labels,) float32: the shares of all labels."""
    continues_word: bool


def merge_words(tokens: Iterable[TaggedToken], strategy: str, labels: Sequence[str], join: Join) -> list[TaggedToken]:
    """Words whose tokens agree: on the label of the first, of the surest (max), or on the average."""
    words: list[list[TaggedToken]] = []
    for token in tokens:
        if words and token.continues_word:
            words[-1].append(token)
        else:
            words.append([token])
    return [_merge_word(word, strategy, labels, join) for word in words]


def _merge_word(word: list[TaggedToken], strategy: str, labels: Sequence[str], join: Join) -> TaggedToken:
    first = word[0]
    if strategy == "first":
        scores = first.scores
    elif strategy == "max":
        scores = max(word, key=lambda token: token.score).scores
    else:
        scores = np.mean([token.scores for token in word], axis=0)
    winner = int(scores.argmax())
    text = join([token.word for token in word])
    return TaggedToken(
        text, first.start, word[-1].end, labels[winner], float(scores[winner]), first.index, scores, False
    )


def group(tokens: Iterable[TaggedToken], join: Join) -> list[Entity]:
    """Entities made of neighbours with one label; a B- label always begins a new one."""
    groups: list[list[TaggedToken]] = []
    for token in tokens:
        begins, kind = _kind(token.label)
        if groups and not begins and kind == _kind(groups[-1][-1].label)[1]:
            groups[-1].append(token)
        else:
            groups.append([token])
    return [
        {
            "entity_group": members[0].label.split("-", 1)[-1],
            "score": float(np.mean([token.score for token in members])),
            "word": join([token.word for token in members]),
            "start": members[0].start,
            "end": members[-1].end,
        }
        for members in groups
    ]


def _kind(label: str) -> tuple[bool, str]:
    """Whether the label begins an entity, and of which kind."""
    return (label[0] == "B", label[2:]) if label.startswith(("B-", "I-")) else (False, label)


def without_overlaps(entities: list[Entity]) -> list[Entity]:
    """Keep the longest, then the surest, of overlapping entities, which come from overlapping pieces of a text."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: int(entity["start"])):
        if not kept or not kept[-1]["start"] <= entity["start"] < kept[-1]["end"]:
            kept.append(entity)
        elif _strength(entity) > _strength(kept[-1]):
            kept[-1] = entity
    return kept


def _strength(entity: Entity) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
