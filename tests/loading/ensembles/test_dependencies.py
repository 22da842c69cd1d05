"""What follows from who is made of whom, by tables."""

from __future__ import annotations

import pytest

from naiad.loading.ensembles.dependencies import circle, dependents, parts_first, unloaded_with


def graph(text: str) -> dict[str, set[str]]:
    """`e:ab f:e` — e is made of a and b, f of e."""
    return {name: set(parts) for name, _, parts in (one.partition(":") for one in text.split())}


@pytest.mark.parametrize(
    ("parts", "changed", "expected"),
    [
        ("", "a", ""),
        ("e:ab f:c", "a", "e"),
        ("e:ab f:e g:f", "b", "efg"),
        ("g:f f:e e:b", "b", "efg"),
        ("e:a f:a", "a", "ef"),
        ("e:a f:ea", "a", "ef"),
        ("e:f f:e", "e", "fe"),
        ("e:e", "e", "e"),
    ],
)
def test_dependents(parts: str, changed: str, expected: str) -> None:
    assert dependents(graph(parts), changed) == list(expected)


@pytest.mark.parametrize(
    ("parts", "names", "expected"),
    [("", "a", "a"), ("e:ab", "e", "abe"), ("e:fb f:c", "e", "bcfe"), ("e:f f:e", "e", "fe"), ("e:a", "ae", "ae")],
)
def test_parts_first(parts: str, names: str, expected: str) -> None:
    assert parts_first(graph(parts), names) == list(expected)


@pytest.mark.parametrize(
    ("parts", "name", "expected"),
    [("e:ab", "e", ""), ("e:e", "e", "e"), ("e:f f:e", "e", "f"), ("e:f f:g g:e", "e", "g"), ("d:e e:f f:e", "d", "")],
)
def test_circle(parts: str, name: str, expected: str) -> None:
    assert circle(graph(parts), name) == expected


@pytest.mark.parametrize(
    ("parts", "name", "wanted", "expected"),
    [
        ("e:ab", "e", "e", "ab"),
        ("e:ab", "e", "ea", "b"),
        ("e:ab f:a", "e", "ef", "b"),
        ("e:f f:ab", "e", "e", "fab"),
        ("e:f f:ab", "e", "ef", ""),
        ("e:fa f:a", "e", "e", "fa"),
        ("e:ab", "a", "", ""),
        ("e:e", "e", "", "e"),
    ],
)
def test_unloaded_with(parts: str, name: str, wanted: str, expected: str) -> None:
    assert unloaded_with(graph(parts), name, set(wanted)) == list(expected)


def test_a_long_chain_is_no_matter() -> None:
    chain = {str(number): {str(number + 1)} for number in range(5000)}
    assert len(parts_first(chain, ["0"])) == 5001
    assert len(dependents(chain, ["5000"])) == 5000
