"""What is wrong with JSON, in the words and places of Triton's parser; `tests/differential` compares them."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naiad.protocol.json.faults import describe


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "The document is empty. at 0"),
        (b" \n", "The document is empty. at 2"),
        (b"\xef\xbb\xbf", "The document is empty. at 3"),
        (b"{}x", "The document root must not be followed by other values. at 2"),
        (b'{"a":}', "Invalid value. at 5"),
        (b"[tru]", "Invalid value. at 4"),
        (b"-x", "Invalid value. at 1"),
        (b"{a:1}", "Missing a name for object member. at 1"),
        (b'{"a":1,}', "Missing a name for object member. at 7"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at 5"),
        (b'{"a":1 "b":2}', "Missing a comma or '}' after an object member. at 7"),
        (b"[1 2]", "Missing a comma or ']' after an array element. at 3"),
        (b'["a', "Missing a closing quotation mark in string. at 3"),
        (b'["\\x"]', "Invalid escape character in string. at 2"),
        (b'["\t"]', "Invalid escape character in string. at 2"),
        (b'["\\u12G4"]', "Incorrect hex digit after \\u escape in string. at 2"),
        (b'["\\ud83dx"]', "The surrogate pair in string is invalid. at 2"),
        (b"1e999", "Number too big to be stored in double. at 0"),
        (b"1.", "Miss fraction part in number. at 2"),
        (b"1e+", "Miss exponent in number. at 3"),
        (b'["\xff"]', "Invalid encoding in string. at 0"),
    ],
)
def test_faults(raw: bytes, fault: str) -> None:
    assert describe(raw) == fault


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES, st.data())
def test_a_cut_is_found_and_what_is_right_is_not_called_wrong(value: object, data: st.DataObject) -> None:
    raw = orjson.dumps([value])
    assert describe(raw) == "Invalid encoding in string. at 0"  # what is left when the grammar has nothing to say
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    assert describe(cut) != "Invalid encoding in string. at 0"


@given(st.binary(max_size=200))
def test_any_bytes_are_described(raw: bytes) -> None:
    assert describe(raw)


def test_it_takes_no_longer_than_reading() -> None:
    began_s = time.thread_time()
    assert describe(b"[" * 65_000) == "Invalid value. at 65000"
    assert describe(b"[" * 1_000_000) == "Invalid value."
    assert time.thread_time() - began_s < 2.0
