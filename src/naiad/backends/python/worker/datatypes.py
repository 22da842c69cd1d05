"""Datatypes inside a worker, which knows nothing of the server's own table; a test holds the two against each other."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import numpy as np


class Datatype(NamedTuple):
    """One row."""

    name: str
    config_name: str
    number: int
    """Value of the enum in model_config.proto."""
    numpy: Any
    """How the data lies in memory; BF16 as its 16 bits."""


def _row(name: str, number: int, kind: Any, config: str = "") -> Datatype:
    return Datatype(name, "TYPE_" + (config or name), number, np.dtype(kind))


TABLE = (
    _row("BOOL", 1, np.bool_),
    _row("UINT8", 2, np.uint8),
    _row("UINT16", 3, np.uint16),
    _row("UINT32", 4, np.uint32),
    _row("UINT64", 5, np.uint64),
    _row("INT8", 6, np.int8),
    _row("INT16", 7, np.int16),
    _row("INT32", 8, np.int32),
    _row("INT64", 9, np.int64),
    _row("FP16", 10, np.float16),
    _row("FP32", 11, np.float32),
    _row("FP64", 12, np.float64),
    _row("BYTES", 13, np.object_, "STRING"),
    _row("BF16", 14, np.uint16),
)

BY_NAME = {row.name: row for row in TABLE}
BY_NUMBER = {row.number: row for row in TABLE}
NUMPY = {row.name: row.numpy for row in TABLE}
_BY_NUMPY = {row.numpy: row.name for row in TABLE if row.name != "BF16"}


def name_of(dtype: Any) -> Optional[str]:  # noqa: UP045 — Python 3.9
    """Return the datatype of arrays of a dtype, whatever its byte order; None where there is none."""
    found = _BY_NUMPY.get(dtype)
    if found is not None:
        return found
    if dtype.kind in "SU":
        return "BYTES"
    return _BY_NUMPY.get(dtype.newbyteorder("="))
