"""What holds of every tensor's datatype and shape, however they came."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest, MalformedBody

_LARGEST = 2**63 - 1
"""Elements, and bytes, of a tensor: what numpy can have."""
_MOST_DIMENSIONS = 64
"""What numpy can have."""
_SURELY_FITS = _LARGEST // 8
"""Elements of any datatype; the widest takes eight bytes in memory."""


def count_elements(name: str, datatype: str, shape: Sequence[int], is_json: bool = False) -> int:
    """Return how many elements an input has.

    is_json: the shape was written in JSON, where every dimension is read as an unsigned number. Raises InvalidRequest
    for an unknown datatype, a negative dimension, and more dimensions, elements or bytes than there can be;
    MalformedBody for what JSON can say and no dimension is.
    """
    if datatype not in BY_NAME:
        raise InvalidRequest(f"invalid datatype '{datatype}' for input '{name}'; known: {', '.join(BY_NAME)}")
    if len(shape) > _MOST_DIMENSIONS:  # first: multiplying a million large ones would take hours
        raise InvalidRequest(
            f"invalid shape for input '{name}': {len(shape)} dimensions; at most {_MOST_DIMENSIONS} are allowed"
        )
    count = 1
    for dim in shape:
        if type(dim) is not int or dim < 0:
            raise _wrong_dimension(name, shape, is_json)
        count *= dim
    if not count or count > _SURELY_FITS:
        _check_size(name, datatype, shape)
    return count


def _wrong_dimension(name: str, shape: Sequence[int], is_json: bool) -> InvalidRequest:
    if is_json:
        return MalformedBody(
            "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer", tensor=name
        )
    return InvalidRequest(
        f"invalid shape for input '{name}': shape {_plain(shape)} contains one or more invalid dimensions"
    )


def _check_size(name: str, datatype: str, shape: Sequence[int]) -> None:
    """Raise InvalidRequest for more elements or bytes than a tensor can have; of an empty one, too.

    numpy multiplies the dimensions that are not zero.
    """
    count = prod(dim for dim in shape if dim)
    if count > _LARGEST:
        raise InvalidRequest(
            f"invalid shape for input '{name}': shape {_plain(shape)} causes total element count to exceed maximum "
            f"size of {_LARGEST}"
        )
    if count * BY_NAME[datatype].numpy.itemsize > _LARGEST:
        raise InvalidRequest(f"byte size overflow for input '{name}': shape {_plain(shape)} of {datatype}")


def _plain(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
