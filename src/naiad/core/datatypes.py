"""The one table of tensor datatypes; every other view of a datatype (numpy, protobuf, bytes) is derived from it.

Names are those of the KServe v2 protocol. A new datatype is a new row here and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Datatype:
    """One row of the table."""

    name: str
    """As in v2 messages: FP32, INT64, BYTES …"""
    config_name: str
    """As in config.pbtxt: TYPE_FP32, TYPE_STRING …"""
    config_number: int
    """Value of the `inference.DataType` enum."""
    numpy: np.dtype[np.generic]
    """How the data lies in memory. BYTES is an object array of `bytes`; BF16 is carried as raw uint16."""
    size_bytes: int
    """Bytes of one element on the wire; 0 for BYTES, whose elements carry their own length."""
    contents_field: str
    """Field of `InferTensorContents` for typed gRPC data; empty where the protocol has none (FP16, BF16)."""


def _row(name: str, number: int, numpy: type, size: int, field: str, config: str = "") -> Datatype:
    return Datatype(name, f"TYPE_{config or name}", number, np.dtype(numpy), size, field)


TABLE: tuple[Datatype, ...] = (
    _row("BOOL", 1, np.bool_, 1, "bool_contents"),
    _row("UINT8", 2, np.uint8, 1, "uint_contents"),
    _row("UINT16", 3, np.uint16, 2, "uint_contents"),
    _row("UINT32", 4, np.uint32, 4, "uint_contents"),
    _row("UINT64", 5, np.uint64, 8, "uint64_contents"),
    _row("INT8", 6, np.int8, 1, "int_contents"),
    _row("INT16", 7, np.int16, 2, "int_contents"),
    _row("INT32", 8, np.int32, 4, "int_contents"),
    _row("INT64", 9, np.int64, 8, "int64_contents"),
    _row("FP16", 10, np.float16, 2, ""),
    _row("FP32", 11, np.float32, 4, "fp32_contents"),
    _row("FP64", 12, np.float64, 8, "fp64_contents"),
    _row("BYTES", 13, np.object_, 0, "bytes_contents", config="STRING"),
    _row("BF16", 14, np.uint16, 2, ""),
)

BY_NAME: dict[str, Datatype] = {row.name: row for row in TABLE}
BY_CONFIG_NAME: dict[str, Datatype] = {row.config_name: row for row in TABLE}
BY_NUMPY: dict[np.dtype[np.generic], Datatype] = {row.numpy: row for row in TABLE if row.name != "BF16"}
