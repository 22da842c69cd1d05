"""Where stretches of a data file go: to multiples of 64, without losing a byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.backends.onnxruntime.prepared.alignment import _move, assign
from naiad.backends.onnxruntime.prepared.extents import ALIGNMENT_BYTES, is_aligned, parse_packed, read_extents

Stretches = list[tuple[int, int]]


@st.composite
def stretches(draw: st.DrawFn) -> Stretches:
    """Of a file, in order, with and without gaps between them."""
    found, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 300)), max_size=12)):
        found.append((at + gap, length))
        at += gap + length
    return list(dict.fromkeys(found))


@given(stretches(), st.randoms())
def test_nothing_is_lost(tmp_path_factory: pytest.TempPathFactory, found: Stretches, random: object) -> None:
    content = bytes(number * 31 % 251 for number in range(max((at + length for at, length in found), default=0)))
    path = tmp_path_factory.mktemp("data") / "data"
    path.write_bytes(content)
    random.shuffle(found)  # type: ignore[attr-defined]
    places = assign(found, len(content))
    assert [place for place in places.values() if place % ALIGNMENT_BYTES] == []
    ordered = sorted((place, place + length) for (_, length), place in places.items())
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ordered))
    if content:
        _move(path, places)
    moved = path.read_bytes()
    for (offset, length), place in places.items():
        assert content[offset : offset + length] == moved[place : place + length]


@pytest.mark.parametrize("found", [[(0, 10), (5, 10)], [(90, 11)], [(0, -1)], [(101, 0)]])
def test_what_cannot_be(found: Stretches) -> None:
    with pytest.raises(ValueError, match="overlap others or lie outside"):
        assign(found, 100)


def test_packed_entries() -> None:
    assert parse_packed("Gemm+17|64;128;0|192;4;9") == ("Gemm+17", [(64, 128, "0"), (192, 4, "9")])
    with pytest.raises(ValueError, match=r"."):
        parse_packed("Gemm+17|64")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever they are, reading them ends, and with nothing or a ValueError."""
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    path.write_bytes(content)
    try:
        assert isinstance(read_extents(path), list)
        assert isinstance(is_aligned(path), bool)
    except ValueError:
        pass
