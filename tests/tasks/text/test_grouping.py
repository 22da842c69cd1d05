from __future__ import annotations

import numpy as np
import pytest

from naiad.tasks.text.grouping import TaggedToken, group, merge_words, without_overlaps

LABELS = ["O", "B-PER", "I-PER", "LOC"]


def tagged(*rows: tuple[str, list[float], bool]) -> list[TaggedToken]:
    """Tokens of four characters one after the other: word, scores of the labels, whether it continues a word."""
    tokens: list[TaggedToken] = []
    for index, (word, scores, continues) in enumerate(rows):
        begin, label = 5 * index, LABELS[int(np.argmax(scores))]
        row = np.array(scores, np.float32)
        tokens.append(TaggedToken(word, begin, begin + 4, label, max(scores), index, row, continues))
    return tokens


def join(words: list[str]) -> str:
    return "+".join(words)


@pytest.mark.parametrize(
    ("strategy", "label", "score"), [("first", "B-PER", 0.5), ("max", "LOC", 0.9), ("average", "LOC", 0.65)]
)
def test_a_word_has_one_label(strategy: str, label: str, score: float) -> None:
    tokens = tagged(
        ("wolf", [0.1, 0.5, 0.0, 0.4], False), ("gang", [0.1, 0.0, 0.0, 0.9], True), ("x", [1, 0, 0, 0], False)
    )
    word, other = merge_words(tokens, strategy, LABELS, join)
    assert (word.word, word.start, word.end, word.label) == ("wolf+gang", 0, 9, label)
    assert word.score == pytest.approx(score)
    assert other.label == "O"


def test_neighbours_of_one_kind_are_one_entity_and_b_begins_another() -> None:
    b, i, o, plain = [0, 1, 0, 0], [0, 0, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 1]
    found = group(tagged(*((w, s, False) for w, s in zip("abcdefg", [b, i, b, o, plain, plain, i], strict=True))), join)
    assert [(one["entity_group"], one["word"], one["start"], one["end"]) for one in found] == [
        ("PER", "a+b", 0, 9),
        ("PER", "c", 10, 14),
        ("O", "d", 15, 19),
        ("LOC", "e+f", 20, 29),
        ("PER", "g", 30, 34),
    ]
    assert found[0]["score"] == 0.75


def test_of_overlapping_entities_the_longest_then_the_surest_stays() -> None:
    def entity(start: int, end: int, score: float) -> dict[str, float]:
        return {"start": start, "end": end, "score": score}

    found = without_overlaps(
        [entity(20, 25, 0.1), entity(0, 5, 0.9), entity(0, 9, 0.2), entity(9, 12, 0.5), entity(20, 25, 0.3)]
    )
    assert found == [entity(0, 9, 0.2), entity(9, 12, 0.5), entity(20, 25, 0.3)]
    assert without_overlaps([]) == []


def test_b_and_i_with_nothing_behind_them_are_labels_too() -> None:
    scores = np.array([0, 1], np.float32)
    tokens = [
        TaggedToken(word, at, at + 1, label, 1.0, at, scores, continues_word=False)
        for at, (word, label) in enumerate(zip("abcd", ["B-", "I-", "B-", "B-"], strict=True))
    ]
    assert [one["word"] for one in group(tokens, join)] == ["a+b", "c", "d"]
