"""What holds of every tensor's datatype and shape, however they came."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.datatypes import BY_NAME
from naiad.core.errors import InvalidRequest, MalformedBody

_LARGEST = 2**63 - 1


def count_elements(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Return how many elements an input has.

    Raises InvalidRequest for an unknown datatype, a negative dimension, and more elements than an int64 can count;
    MalformedBody for a dimension that is no integer.
    """
    if datatype not in BY_NAME:
        raise InvalidRequest(f"invalid datatype '{datatype}' for input '{name}'; known: {', '.join(BY_NAME)}")
    count = 1
    for dim in shape:
        if type(dim) is not int:  # only JSON can say such a thing
            raise MalformedBody(f"Unable to parse 'shape': input '{name}' has a dimension that is no integer")
        if dim < 0:
            raise InvalidRequest(
                f"invalid shape for input '{name}': shape {_plain(shape)} contains one or more invalid dimensions"
            )
        count *= dim
    if count > _LARGEST:
        raise InvalidRequest(
            f"invalid shape for input '{name}': shape {_plain(shape)} causes total element count to exceed maximum "
            f"size of {_LARGEST}"
        )
    return count


def _plain(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
