"""What is wrong with bytes that are no JSON: the sentence and the place that Triton's parser (RapidJSON) gives.

Only for bytes that the fast parser has refused already, so it may be slow, and it builds nothing.
"""

from __future__ import annotations

import re

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What may stand before the text."""

_EMPTY = "The document is empty."
_BEHIND = "The document root must not be followed by other values."
_VALUE = "Invalid value."
_NAME = "Missing a name for object member."
_COLON = "Missing a colon after a name of object member."
_OBJECT = "Missing a comma or '}' after an object member."
_ARRAY = "Missing a comma or ']' after an array element."
_QUOTE = "Missing a closing quotation mark in string."
_ESCAPE = "Invalid escape character in string."
_HEX = "Incorrect hex digit after \\u escape in string."
_SURROGATE = "The surrogate pair in string is invalid."
_ENCODING = "Invalid encoding in string."
_TOO_BIG = "Number too big to be stored in double."
_FRACTION = "Miss fraction part in number."
_EXPONENT = "Miss exponent in number."

_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_LOW = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LONGEST = 64 * 1024
"""Bytes that are looked at; one who sends more learns only that it is no JSON."""


class _FaultError(Exception):
    def __init__(self, text: str, at: int) -> None:
        super().__init__(text)
        self.text, self.at = text, at


def describe(raw: bytes) -> str:
    """Return what is wrong and where, as `Invalid value. at 10`."""
    if len(raw) > _LONGEST:
        return _VALUE
    try:
        _document(raw)
    except _FaultError as fault:
        return f"{fault.text} at {fault.at}"
    return f"{_ENCODING} at 0"


def _document(raw: bytes) -> None:
    at = _skip(raw, len(BYTE_ORDER_MARK) if raw.startswith(BYTE_ORDER_MARK) else 0)
    if at == len(raw):
        raise _FaultError(_EMPTY, at)
    at = _skip(raw, _values(raw, at))
    if at < len(raw):
        raise _FaultError(_BEHIND, at)


def _skip(raw: bytes, at: int) -> int:
    match = _SPACE.match(raw, at)
    return match.end() if match else at


def _values(raw: bytes, at: int) -> int:
    """Walk over one value and all that it holds; returns the place behind it. A loop, because depth is the caller's."""
    open_ones = bytearray()
    while True:
        at, has_opened = _begin(raw, at, open_ones)
        while not has_opened and open_ones:
            at = _skip(raw, at)
            is_object = open_ones[-1:] == b"{"
            if raw[at : at + 1] == b",":
                at = _skip(raw, at + 1)
                at = _name(raw, at) if is_object else at
                break
            if raw[at : at + 1] != (b"}" if is_object else b"]"):
                raise _FaultError(_OBJECT if is_object else _ARRAY, at)
            open_ones.pop()
            at += 1
        else:
            if not open_ones:
                return at


def _begin(raw: bytes, at: int, open_ones: bytearray) -> tuple[int, bool]:
    """Walk over a scalar, or into an object or array that is not empty; returns the place, and whether it is inside."""
    first = raw[at : at + 1]
    if first in (b"{", b"["):
        inside = _skip(raw, at + 1)
        if raw[inside : inside + 1] == (b"}" if first == b"{" else b"]"):
            return inside + 1, False
        open_ones += first
        return (_name(raw, inside) if first == b"{" else inside), True
    if first == b'"':
        return _string(raw, at), False
    return _literal(raw, at), False


def _name(raw: bytes, at: int) -> int:
    """Walk over a member's name and its colon."""
    if raw[at : at + 1] != b'"':
        raise _FaultError(_NAME, at)
    at = _skip(raw, _string(raw, at))
    if raw[at : at + 1] != b":":
        raise _FaultError(_COLON, at)
    return _skip(raw, at + 1)


def _string(raw: bytes, start: int) -> int:
    at = start + 1
    while True:
        match = _PLAIN.match(raw, at)
        at = match.end() if match else at
        byte = raw[at : at + 1]
        if byte == b'"':
            return at + 1
        if byte in (b"", b"\0"):
            raise _FaultError(_QUOTE, at)
        if byte != b"\\":
            raise _FaultError(_ESCAPE, at)
        at = _escape(raw, at)


def _escape(raw: bytes, at: int) -> int:
    kind = raw[at + 1 : at + 2]
    if kind and kind in b'"\\/bfnrt':
        return at + 2
    if kind != b"u":
        raise _FaultError(_ESCAPE, at)
    if not re.fullmatch(rb"[0-9a-fA-F]{4}", raw[at + 2 : at + 6]):
        raise _FaultError(_HEX, at)
    if _HIGH.match(raw, at) and not _LOW.match(raw, at + 6):
        raise _FaultError(_SURROGATE, at)
    return at + (12 if _HIGH.match(raw, at) else 6)


def _literal(raw: bytes, at: int) -> int:
    for word in (b"true", b"false", b"null"):
        if raw.startswith(word, at):
            return at + len(word)
        if raw.startswith(word[:1], at):
            same = next(i for i, byte in enumerate(word) if raw[at + i : at + i + 1] != bytes([byte]))
            raise _FaultError(_VALUE, at + same)
    match = _NUMBER.match(raw, at)
    if match is None:
        raise _FaultError(_VALUE, at + (raw[at : at + 1] == b"-"))
    end = match.end()
    if raw[end : end + 1] == b".":
        end = _digits(raw, end + 1, _FRACTION)
    if raw[end : end + 1] in (b"e", b"E"):
        signed = end + 2 if raw[end + 1 : end + 2] in (b"+", b"-") else end + 1
        end = _digits(raw, signed, _EXPONENT)
    if float(raw[at:end]) in (float("inf"), float("-inf")):
        raise _FaultError(_TOO_BIG, at)
    return end


def _digits(raw: bytes, at: int, otherwise: str) -> int:
    end = at
    while raw[end : end + 1].isdigit():
        end += 1
    if end == at:
        raise _FaultError(otherwise, at)
    return end
