"""What holds of every tensor's datatype and shape, however they came."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest, MalformedBody

_LARGEST = 2**63 - 1
_MOST_DIMENSIONS = 64
"""What numpy can have."""
_WIDEST_BYTES = 8


def count_elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Return how many elements an input has.

    Raises InvalidRequest for an unknown datatype, a negative dimension, and more dimensions or elements than there can
    be; MalformedBody for a dimension that is no integer.
    """
    if datatype not in BY_NAME:
        raise InvalidRequest(f"invalid datatype '{datatype}' for input '{name}'; known: {', '.join(BY_NAME)}")
    if len(shape) > _MOST_DIMENSIONS:  # first: multiplying a million large ones would take hours
        raise InvalidRequest(
            f"invalid shape for input '{name}': {len(shape)} dimensions; at most {_MOST_DIMENSIONS} are allowed"
        )
    count = 1
    for dim in shape:
        if type(dim) is not int:  # only JSON can say such a thing
            raise MalformedBody(
                "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer", tensor=name
            )
        if dim < 0:
            raise InvalidRequest(
                f"invalid shape for input '{name}': shape {_plain(shape)} contains one or more invalid dimensions"
            )
        count *= dim
    # An empty tensor too: numpy multiplies the dimensions that are not zero.
    if count > _LARGEST or (not count and prod(dim for dim in shape if dim) > _LARGEST // _WIDEST_BYTES):
        raise InvalidRequest(
            f"invalid shape for input '{name}': shape {_plain(shape)} causes total element count to exceed maximum "
            f"size of {_LARGEST}"
        )
    return count


def _plain(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
