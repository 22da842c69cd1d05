"""What all JSON bodies have in common: parsing within bounds, plain values, request parameters.

Not here: inputs and outputs, which differ between `/infer` and `/generate`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import numpy as np
import orjson

from naiad.core.errors import InvalidRequest, MalformedBody
from naiad.core.message import InferRequest
from naiad.protocol.json.faults import BYTE_ORDER_MARK, describe
from naiad.protocol.limits import Limits, body_too_large
from naiad.protocol.sequence import SEQUENCE_KEYS, set_sequence

PROTOCOL_KEYS = SEQUENCE_KEYS | {"priority", "timeout"}
"""Parameters that the protocol knows."""

MISSING: Any = object()
"""Stands for a member that an object does not have."""


def parse_json(raw: bytes, limits: Limits, otherwise: str = "") -> dict[str, Any]:
    """Parse a JSON object.

    otherwise: what to say when it is another value; empty: nothing, it has no members, as in Triton. Raises
    MalformedBody, or InvalidRequest for one too large, too deep or of too many values.
    """
    if len(raw) > limits.body_bytes:
        raise body_too_large(len(raw), limits.body_bytes)
    max_depth = limits.json_depth
    if len(raw) > limits.json_values:  # or it cannot hold so many
        check_values(raw, limits.json_values)
    # Counting brackets is cheap and settles it for almost every request: there is no nesting without brackets.
    if raw.count(b"[") + raw.count(b"{") > max_depth and _depth(raw) > max_depth:
        raise too_deep(max_depth)
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        document = _parse_marked(raw, error)
    return document if type(document) is dict else as_object(document, otherwise)


def as_object(document: Any, otherwise: str) -> dict[str, Any]:
    """Return a parsed document, which should be an object; otherwise: see `parse_json`."""
    if type(document) is dict:
        return document
    if otherwise:
        raise MalformedBody(otherwise)
    return {}


def _parse_marked(raw: bytes, error: orjson.JSONDecodeError) -> Any:
    """Parse what stands behind a byte order mark, which a parser may ignore (RFC 8259, 8.1). Raises MalformedBody."""
    if raw.startswith(BYTE_ORDER_MARK):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(raw[len(BYTE_ORDER_MARK) :])
    raise malformed(raw) from error


def malformed(raw: bytes) -> MalformedBody:
    """Return the error for bytes that the parser has refused."""
    return MalformedBody(f"failed to parse the request JSON buffer: {describe(raw)}")


def too_deep(most: int) -> InvalidRequest:
    """Return the error for JSON that is nested too deeply; the words are Triton's."""
    return InvalidRequest(f"JSON nesting depth exceeds maximum allowed limit ({most})")


_COUNTED_BYTES = 1024 * 1024


def check_values(raw: bytes, most: int) -> None:
    """Raise InvalidRequest for more values than allowed; those within strings are counted too, which is quick."""
    count = 0
    for at in range(0, len(raw), _COUNTED_BYTES):
        end = at + _COUNTED_BYTES
        count += raw.count(b",", at, end) + raw.count(b"[", at, end) + raw.count(b"{", at, end)
    if count > most:
        raise InvalidRequest(f"the request JSON holds {count} values; at most {most} are allowed")


STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""What stands in quotes. Never goes back, and takes a string without an end to the end of the text: one pass, whatever
is sent."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _depth(raw: bytes) -> int:
    """Deepest nesting of brackets outside strings."""
    brackets = np.frombuffer(STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return int(np.cumsum(steps).max(initial=0))


def read_text(key: str, value: Any) -> str:
    """Return a value that must be a string; MISSING: there is no such member. Raises MalformedBody."""
    if type(value) is not str:
        raise _unfit(key, value, "attempt to access JSON non-string as string")
    return value


def read_list(key: str, value: Any) -> list[Any]:
    """Return a value that must be an array; see `read_text`."""
    if type(value) is not list:
        raise _unfit(key, value, "attempt to access JSON non-array as array")
    return value


def _unfit(key: str, value: Any, otherwise: str) -> MalformedBody:
    what = f"attempt to access non-existing object member '{key}'" if value is MISSING else otherwise
    return MalformedBody(f"Unable to parse '{key}': {what}")


def read_boolean(key: str, value: Any) -> bool:
    """Return a value that must be true or false. Raises MalformedBody."""
    if type(value) is not bool:
        raise MalformedBody(f"Unable to parse '{key}': attempt to access JSON non-boolean as boolean")
    return value


def read_unsigned(key: str, value: Any) -> int:
    """Return a value that must be a whole number of at least 0. Raises MalformedBody."""
    if type(value) is not int or value < 0:
        raise MalformedBody(f"Unable to parse '{key}': attempt to access JSON non-unsigned-integer as unsigned-integer")
    return value


def set_parameter(request: InferRequest, key: str, value: Any) -> None:
    """Put one parameter where it belongs: the protocol's own into fields, the caller's beside them.

    Raises InvalidRequest for a reserved name and for a type that no parameter can have.
    """
    if key == "priority":
        request.priority = read_unsigned(key, value)
    elif key == "timeout":
        request.timeout_us = read_unsigned(key, value)
    elif key in SEQUENCE_KEYS:
        set_sequence(request, key, _sequence_value(key, value))
    elif key.startswith("triton_"):
        raise InvalidRequest(
            "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
        )
    else:
        set_own_parameter(request, key, value)


def set_own_parameter(request: InferRequest, key: str, value: Any) -> None:
    """Keep one of the caller's own parameters. Raises InvalidRequest for a type that none can have."""
    if not isinstance(value, (str, bool, int, float)):
        raise InvalidRequest(f"parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'.")
    # orjson reads 2**63 and above as a whole number; a parameter is an int64 or a fraction, in Triton as well.
    request.parameters[key] = float(value) if isinstance(value, int) and value >= 2**63 else value


def _sequence_value(key: str, value: Any) -> int | str | bool:
    if key != "sequence_id":
        return read_boolean(key, value)
    if type(value) is str or (type(value) is int and value >= 0):
        found: int | str = value
        return found
    raise MalformedBody(f"Unable to parse '{key}': attempt to access JSON non-string as string")
