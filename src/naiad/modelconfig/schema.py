"""The message `inference.ModelConfig`, and the way between it and JSON values.

Names and numbers of the message are in `naiad.proto`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from naiad.proto.pool import message_class

Document = dict[str, Any]
"""A model configuration as JSON values: every plain field present, messages that are not set absent."""

# Proto3 JSON writes 64-bit integers as strings; Triton's config endpoint then makes numbers of most of them. These are
# the ones it leaves alone, and clients have learnt to read.
KEPT_AS_STRINGS = {
    "inference.ModelSequenceBatching.InitialState.dims",
    "inference.ModelOptimizationPolicy.Cuda.GraphSpec.Shape.dim",
}


_MOST_WHOLE = 1e15
"""Larger ones are written with an exponent."""


def config_class() -> Any:
    """Return the message class; imports protobuf on first use."""
    return message_class("ModelConfig")


def to_document(message: Any) -> Document:
    """Turn a message into JSON values the way `GET /v2/models/M/config` prints it."""
    document: Document = {}
    # protobuf's JSON has alternatives that are no messages behind all else.
    for field in sorted(message.DESCRIPTOR.fields, key=_is_plain_alternative):
        value = getattr(message, field.name)
        if is_map(field):
            side = field.message_type.fields_by_name["value"]
            document[field.name] = {_key(key): _plain(side, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            document[field.name] = [_plain(field, element) for element in value]
        elif not field.has_presence or message.HasField(field.name):
            document[field.name] = _plain(field, value)
    return document


def is_map(field: Any) -> bool:
    """Whether a field descriptor is a map, which protobuf spells as a repeated message."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)


def _is_plain_alternative(field: Any) -> bool:
    return field.containing_oneof is not None and field.message_type is None


def _plain(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return to_document(value)
    if field.enum_type is not None:
        name = field.enum_type.values_by_number.get(value)
        return value if name is None else name.name
    if field.full_name in KEPT_AS_STRINGS:
        return str(value)
    if isinstance(value, float):
        return _number(field, value)
    return value


def _number(field: Any, value: float) -> float | str:
    """The shortest decimal that gives the same float32 or float64, `1` and not `1.0`, as protobuf's JSON has it.

    JSON has no words for the infinite ones.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    number = float(str(np.float32(value))) if field.type == field.TYPE_FLOAT else value
    return int(number) if number.is_integer() and abs(number) < _MOST_WHOLE else number
