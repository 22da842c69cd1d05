"""Length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message") out of data that is cut anywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from naiad.core.clock import monotonic

PREFIX = struct.Struct(">BI")
"""Whether it is compressed, and its length."""
PREFIX_BYTES = 5


_SMALL_BYTES = 1024
"""Pieces below it are copied: a view for each of a million pieces would weigh far more than what they hold."""


class MessageFault(Exception):
    """A message that cannot be had; the call ends with this status."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Gathering:
    """Bytes of unfinished messages that one connection may keep."""

    __slots__ = ("bytes", "most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self.bytes = 0
        self.most_bytes = most_bytes


class MessageReader:
    """Gathers the messages of one call; views of what was received are joined once, when a message is whole."""

    __slots__ = ("_gathering", "_have", "_most_bytes", "_need", "_pieces", "_wbits", "begun_s")

    def __init__(self, most_bytes: int, wbits: int, gathering: Gathering) -> None:
        """most_bytes: of a message, before and after decompression. wbits: of zlib; 0: no compression was agreed."""
        self._most_bytes = most_bytes
        self._wbits = wbits
        self._gathering = gathering
        self._pieces: list[memoryview | bytearray] = []
        self._have = 0
        self._need = PREFIX_BYTES
        """Bytes until there is something to do: a prefix, or a prefix and its message."""
        self.begun_s = 0.0
        """When the first byte of the message in hand, or of the last one, came."""

    @property
    def is_between(self) -> bool:
        """Nothing of a message has come that has not come whole."""
        return not self._have

    def feed(self, buffer: bytes, start: int, end: int) -> Iterator[bytes]:
        """Take buffer[start:end] and yield the messages that are whole now. Raises MessageFault."""
        view = memoryview(buffer)[start:end]
        while len(view):
            if not self._have:
                self.begun_s = monotonic()
            taken = view[: self._need - self._have]
            view = view[len(taken) :]
            self._keep(taken)
            if self._have == PREFIX_BYTES and self._need == PREFIX_BYTES:
                self._need += self._announced()
            if self._have == self._need:
                yield self._finish()

    def drop(self) -> None:
        """Forget what was gathered."""
        self._gathering.bytes -= self._have
        self._pieces = []
        self._have = 0
        self._need = PREFIX_BYTES

    def _keep(self, piece: memoryview) -> None:
        pieces = self._pieces
        if len(piece) >= _SMALL_BYTES or not pieces:
            pieces.append(piece)
        elif isinstance(last := pieces[-1], bytearray):
            last += piece
        else:
            pieces.append(bytearray(piece))
        self._have += len(piece)
        gathering = self._gathering
        gathering.bytes += len(piece)
        if gathering.bytes > gathering.most_bytes:
            raise MessageFault("RESOURCE_EXHAUSTED", "too many bytes of unfinished messages on one connection")

    def _announced(self) -> int:
        """Length of the message whose prefix has come."""
        length: int = PREFIX.unpack(b"".join(self._pieces))[1]
        check_length(length, self._most_bytes)
        return length

    def _finish(self) -> bytes:
        whole = b"".join(self._pieces[1:]) if len(self._pieces[0]) == PREFIX_BYTES else b"".join(self._pieces)[5:]
        is_compressed = self._pieces[0][0]
        self.drop()
        return decompress(whole, is_compressed, self._wbits, self._most_bytes) if is_compressed else whole


def check_length(length: int, most_bytes: int) -> None:
    """Raise MessageFault for a message that is too long, before it is read."""
    if length > most_bytes:
        raise MessageFault("RESOURCE_EXHAUSTED", f"Received message larger than max ({length} vs. {most_bytes})")


def decompress(data: bytes, flag: int, wbits: int, most_bytes: int) -> bytes:
    """Return the message in `data`. Raises MessageFault."""
    if flag != 1:
        raise MessageFault("INTERNAL", f"invalid compressed flag {flag}")
    if not wbits:
        raise MessageFault("INTERNAL", "compressed message without grpc-encoding")
    inflater = zlib.decompressobj(wbits)
    try:
        plain = inflater.decompress(data, most_bytes + 1)
    except zlib.error as error:
        raise MessageFault("INTERNAL", f"compressed message cannot be decompressed: {error}") from error
    if len(plain) > most_bytes:
        raise MessageFault("RESOURCE_EXHAUSTED", f"Received message larger than max (decompressed, {most_bytes})")
    if not inflater.eof or inflater.unused_data:
        raise MessageFault("INTERNAL", "compressed data is incomplete, or more than one message")
    return plain
