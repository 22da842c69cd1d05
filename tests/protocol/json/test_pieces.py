"""JSON parsed in pieces is what it is parsed whole, and is refused with the same words, at every cut."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.core.datatypes import TABLE
from naiad.core.errors import NaiadError
from naiad.protocol.json import infer_request as infer_json
from naiad.protocol.json.body import parse_json
from naiad.protocol.json.large_array import LargeArray
from naiad.protocol.json.pieces import parse_in_pieces
from naiad.protocol.limits import Limits

LIMITS = Limits(json_depth=12, json_values=300)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=',[]{}:"\\é\u2028 a', max_size=6),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(alphabet='ab",{', max_size=2), inner, max_size=5)
    ),
    max_leaves=25,
)
SIZES = st.integers(1, 40)


def outcome(parse: Any, raw: bytes) -> Any:
    """What comes of it, NaN-free and comparable."""
    try:
        return parse(raw, LIMITS)
    except NaiadError as error:
        return type(error), error.message


@given(document=DOCUMENTS, size=SIZES, spaced=st.booleans(), plain=st.booleans())
def test_any_document(document: Any, size: int, spaced: bool, plain: bool) -> None:
    raw = json.dumps(document, ensure_ascii=not plain, indent=1 if spaced else None).encode()
    assert orjson.loads(raw) == parse_in_pieces(raw, Limits(), piece_bytes=size)


@given(document=DOCUMENTS, size=SIZES, at=st.integers(0, 200), put=st.sampled_from(list(b',,,[]{}:"\\1 tn\xff')))
def test_a_broken_document_is_refused_with_the_same_words(document: Any, size: int, at: int, put: int) -> None:
    raw = json.dumps({"a": document}).encode()
    at %= len(raw)
    for broken in (raw[:at] + bytes([put]) + raw[at:], raw[:at] + raw[at + 1 :], raw[:at], b"\xef\xbb\xbf" + raw):
        whole = outcome(parse_json, broken)
        cut = outcome(infer_json.parse_long, broken)
        pieces = outcome(partial(infer_json.parse_long, piece_bytes=size), broken)
        assert (whole, whole) == (cut, pieces)


DATATYPES = st.sampled_from([row.name for row in TABLE])
ELEMENTS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**8, 2**31, 2**63, 2**64 - 1, -(2**63), 1e300, 0.5, True, "x", "é", None, {}, {"a": [1, 2]}, []]),
)
DATA = st.one_of(
    st.lists(st.integers(0, 100), max_size=9),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=9),
    st.lists(st.booleans(), max_size=9),
    st.lists(st.text(alphabet='a,"é', max_size=3), max_size=9),
    st.lists(ELEMENTS, max_size=6),
    st.lists(st.lists(st.one_of(st.integers(0, 9), st.lists(ELEMENTS, max_size=3)), max_size=4), max_size=4),
    ELEMENTS,
)


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    data = draw(DATA)
    count = len(infer_json_leaves(data))
    entry = {
        "name": draw(st.sampled_from(["x", "y"])),
        "shape": draw(st.sampled_from([[count], [1, count], [count + 1], [], [0]])),
        "datatype": draw(DATATYPES),
        "data": data,
    }
    keys = draw(st.permutations(list(entry)))
    return {key: entry[key] for key in keys}


def infer_json_leaves(data: Any) -> list[Any]:
    return [leaf for one in data for leaf in infer_json_leaves(one)] if isinstance(data, list) else [data]


@given(entries=st.lists(inputs(), max_size=2), size=SIZES)
def test_tensors_and_what_is_wrong_with_them(entries: list[dict[str, Any]], size: int) -> None:
    raw = json.dumps({"id": "1", "inputs": entries, "outputs": [{"name": "z"}]}).encode()
    assert decoded(raw, parse_json) == decoded(raw, partial(infer_json.parse_long, piece_bytes=size))


def decoded(raw: bytes, parse: Any) -> Any:
    try:
        request, _ = infer_json.decode("m", "", raw, None, LIMITS, parse=parse)
    except NaiadError as error:
        return type(error), error.message
    return [(one.name, one.datatype, one.shape, one.data.dtype, one.data.tolist()) for one in request.inputs.values()]


def test_what_stands_behind_long_data_is_kept_at_every_cut() -> None:
    entry = {"data": list(range(9)), "name": "x", "shape": [9], "datatype": "INT32"}
    raw = json.dumps({"inputs": [entry, {**entry, "name": "y"}], "id": "1"}).encode()
    whole = decoded(raw, parse_json)
    for size in range(1, len(raw)):
        assert decoded(raw, partial(infer_json.parse_long, piece_bytes=size)) == whole


def test_long_data_never_becomes_objects() -> None:
    raw = json.dumps({"inputs": [{"data": [[0.5, 1], [2, 3]], "name": "x"}, {"data": ["a", "b"]}]}).encode()
    first, second = infer_json.parse_long(raw, Limits(), piece_bytes=4)["inputs"]
    assert type(first["data"]) is type(second["data"]) is LargeArray
    assert {type(piece) for piece in first["data"].pieces} == {np.ndarray}
    assert [text for piece in second["data"].pieces for text in piece] == [b"a", b"b"]


@pytest.mark.parametrize("text", [b'"\\"' + b"a," * 50 + b'"', b'"' + b"a," * 50 + b'"', b'["' + b'a,""' * 50 + b'"]'])
def test_commas_in_strings_are_no_place_to_cut(text: bytes) -> None:
    assert outcome(parse_json, b'{"id":' + text + b"}") == outcome(
        partial(infer_json.parse_long, piece_bytes=9), b'{"id":' + text + b"}"
    )


def test_many_strings_without_commas_between_them_take_no_longer_than_their_length() -> None:
    raw = b'{"a":' + b'"a,"' * 200_000 + b"}"
    assert outcome(parse_json, raw) == outcome(infer_json.parse_long, raw)
