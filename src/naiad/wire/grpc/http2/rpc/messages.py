"""Length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message") out of data that is cut anywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from naiad.core.clock import monotonic
from naiad.serving.worker import JOINED_BYTES, SHORT_BYTES
from naiad.wire.inflating import inflates_beyond
from naiad.wire.waiting import Account

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


class LongMessage(NamedTuple):
    """A message that takes long to put together or to decompress."""

    pieces: list[memoryview | bytearray]
    """Its prefix and all of it."""
    size: int
    wbits: int
    most_bytes: int

    def read(self) -> bytes:
        """Return the message; for a thread. Raises MessageFault."""
        flag, whole = _join(self.pieces)
        return decompress(whole, flag, self.wbits, self.most_bytes) if flag else whole


class MessageReader:
    """Gathers the messages of one call; views of what was received are joined once, when a message is whole."""

    __slots__ = ("_account", "_have", "_most_bytes", "_need", "_pieces", "_wbits", "begun_s")

    def __init__(self, most_bytes: int, wbits: int, account: Account) -> None:
        """most_bytes: of a message, before and after decompression. wbits: of zlib; 0: no compression was agreed.

        account: the connection's, to which unfinished messages are counted.
        """
        self._most_bytes = most_bytes
        self._wbits = wbits
        self._account = account
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

    def feed(self, buffer: bytes | memoryview, start: int, end: int) -> Iterator[bytes | LongMessage]:
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
        self._account.take(-self._have)
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
        account = self._account
        account.take(len(piece))
        if account.is_over:
            raise MessageFault("RESOURCE_EXHAUSTED", account.reason)

    def _announced(self) -> int:
        """Length of the message whose prefix has come."""
        length: int = PREFIX.unpack(b"".join(self._pieces))[1]
        check_length(length, self._most_bytes)
        return length

    def _finish(self) -> bytes | LongMessage:
        pieces, size = self._pieces, self._have - PREFIX_BYTES
        self.drop()
        long = LongMessage(pieces, size, self._wbits, self._most_bytes)
        if size > JOINED_BYTES:
            return long
        flag, whole = _join(pieces)
        if not flag:
            return whole
        if flag == 1 and self._wbits and inflates_beyond(whole, self._wbits, SHORT_BYTES):
            return long
        return decompress(whole, flag, self._wbits, self._most_bytes)


def _join(pieces: list[memoryview | bytearray]) -> tuple[int, bytes]:
    """Return the first byte of a message's prefix, and the message."""
    if len(pieces[0]) == PREFIX_BYTES:
        return pieces[0][0], b"".join(pieces[1:])
    first = memoryview(pieces[0])
    if len(first) > PREFIX_BYTES:
        return first[0], b"".join([first[PREFIX_BYTES:], *pieces[1:]])
    return first[0], b"".join(pieces)[PREFIX_BYTES:]


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
