"""Tensors in messages: `[name, datatype, shape, bytes, where]`, small ones in the tail, large ones in a region.

`where` is the place in the tail; from -1 downwards, it is -1 less the place in the message's region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .datatypes import NUMPY
from .regions import DATA_AT, Mapped, Owned, Region
from .strings import decode_strings, encode_strings
from .wire import ALIGNMENT, Channel, Garbled, Message

SMALL_BYTES = 4096
"""A tensor up to here is copied through the socket, which costs less than sharing it."""

TAIL_BYTES = 48 * 1024
"""Small tensors up to here together."""

Row = list[Any]


class Packed:
    """The tensors of one message that is being written."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._large: list[tuple[int, Any]] = []
        self._large_bytes = 0

    def add(self, name: str, datatype: str, data: Any) -> Row:
        """Take a tensor; data: an array, of any layout."""
        shape = list(data.shape)
        if datatype == "BYTES":
            raw = encode_strings(data)
            data = np.frombuffer(raw, np.uint8)
        else:
            dtype = NUMPY[datatype]
            if data.dtype != dtype:
                data = data.astype(dtype)
            raw = b""
        size = data.nbytes
        if size <= SMALL_BYTES and self._tail_bytes + size <= TAIL_BYTES:
            at = self._tail_bytes
            padding = -size % ALIGNMENT
            self._tail.append((raw or data.tobytes()) + bytes(padding))
            self._tail_bytes += size + padding
            return [name, datatype, shape, size, at]
        at = self._large_bytes
        self._large.append((at, data))
        self._large_bytes += size + -size % DATA_AT
        return [name, datatype, shape, size, -1 - at]

    @property
    def large_bytes(self) -> int:
        """What is to be copied into shared memory."""
        return self._large_bytes

    def send(self, channel: Channel, kind: int, header: dict[str, Any], flags: int = 0) -> None:
        """Send a message whose header holds the rows; flags: see `Channel.send`. Raises OSError."""
        dropped = self._owned.dropped()
        if dropped:
            header["gone"] = dropped
        try:
            if self._large:
                self._send_large(channel, kind, header, flags)
            else:
                channel.send(kind, header, self._tail, (), flags)
        except BaseException:
            self._owned.keep(dropped)
            raise

    def _send_large(self, channel: Channel, kind: int, header: dict[str, Any], flags: int) -> None:
        region = self._owned.take(self._large_bytes)
        try:
            self._fill(region)
            header["m"] = region.number
            channel.send(kind, header, self._tail, () if region.is_known else [region.descriptor], flags)
            region.is_known = True
        except BaseException:
            self._owned.put_back(region)
            raise

    def _fill(self, region: Region) -> None:
        for at, data in self._large:
            np.ndarray(data.shape, data.dtype, region.memory, DATA_AT + at)[...] = data


class Unpacked:
    """The tensors of one message that has come."""

    def __init__(self, message: Message, mapped: Mapped) -> None:
        """Takes the message's descriptor. Raises Garbled."""
        header = message.header
        self._frame = message.frame
        self._tail = message.tail
        self._region: Any = None
        try:
            for number in header.get("gone", ()):
                mapped.forget(number)
            number = header.get("m")
            if number is not None:
                if message.descriptors:
                    mapped.add(number, message.descriptors.pop())
                self._region = mapped.open(number)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise Garbled(f"shared memory makes no sense: {error}") from error

    def array(self, row: Sequence[Any]) -> Any:
        """Return the data of a tensor without copying it, but for strings. Raises Garbled."""
        try:
            return self._array(row)
        except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
            raise Garbled(f"a tensor makes no sense: {error}") from error

    def _array(self, row: Sequence[Any]) -> Any:
        _, datatype, shape, size, at = row
        if at < 0 and self._region is None:
            raise ValueError("the message has no region")
        source, start = (self._frame, self._tail + at) if at >= 0 else (self._region, DATA_AT - 1 - at)
        if datatype == "BYTES":
            count = 1
            for dim in shape:
                count *= dim
            if 4 * count > size:
                raise ValueError("there are more strings than their bytes can hold")
            raw = np.ndarray((size,), np.uint8, source, start)
            return decode_strings(raw.data, count).reshape(shape)
        data = np.ndarray(shape, NUMPY[datatype], source, start)
        if data.nbytes != size:
            raise ValueError(f"{size} bytes are none of shape {shape}")
        return data
