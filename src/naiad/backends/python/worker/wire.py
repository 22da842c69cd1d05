"""The wire between the server and a worker process. Both ends use this file; nothing else knows how a message looks.

Two pairs of Unix sockets of whole packets (SOCK_SEQPACKET) lead to each worker. `run` carries one order at a time and
its reply; whoever gave the order waits for it. `side` carries everything that comes on its own: answers of streams, log
lines, metrics, requests to other models and their answers.

A packet is 8 bytes (kind, flags, two bytes of nothing, length of the header as a little-endian uint32), a header (a
JSON object, filled up with spaces so that what follows begins at a multiple of 16), and the tail: small tensors, one
after the other. Large tensors lie in a region of anonymous shared memory (`regions.py`), whose descriptor comes with
the first packet that names it. A packet that would be too long comes as a descriptor of its own, with the flag
`SPILLED`.

| kind          | way, socket     | header                                                                           |
|---------------|-----------------|----------------------------------------------------------------------------------|
| `COMPLETE`    | to worker, run  | `model`; `config`: as JSON text. Reply: `DONE` with `config`, or `FAILED`        |
| `LOAD`        | to worker, run  | `model`; `args` of `initialize`; `streams`. Reply: `DONE` with `facts`, `FAILED` |
| `EXECUTE`     | to worker, run  | `b`: batch; `r`: requests. Reply if plain: `DONE` with `a`: answers, `t`: times; |
|               |                 | `p`, where there are any: requests whose answers are held back, by `TAKEN`       |
| `FINALIZE`    | to worker, run  | nothing. Reply: `DONE` or `FAILED`, and the worker ends                          |
| `WITHDRAWN`   | to worker, side | `b`, `i`: nobody waits for request i of batch b any more                         |
| `TAKEN`       | to worker, side | `b`, `i`, `n`: so many answers to request i of batch b have been taken up        |
| `RESPONSE`    | to server, side | `b`, `i`, `a`: answer or null, `f`: whether it is the last                       |
| `ENDED`       | to server, side | `b`: `execute` has returned; `e`: error, or null                                 |
| `CALL`        | to server, side | `c`: call; `r`: request to a model; `d`: it may have many answers; `o`: see next |
| `ANSWER`      | to worker, side, or run if `o` | `c`; `a`: answer or null; `f`: whether it is the last             |
| `LET_GO`      | to server, side | `c`: the answers of that call are not wanted any more                            |
| `ASK`         | both, side      | `c`; `what`; `with`: arguments. `c` is 0 where no reply is wanted                |
| `REPLY`       | both, side      | `c`; `is`: value; `e`: error, or null                                            |
| `FORM`        | both, run       | `n`: number; `o`: wanted outputs; `t`: name, datatype and shape of each tensor   |
| `EXECUTE_FORMED` | to worker, run | see `forms.py`; as `EXECUTE`. Reply: `DONE`, or `DONE_FORMED`                  |
| `DONE_FORMED` | to server, run  | see `forms.py`; as `DONE`                                                        |
| `LOG`         | to server, side | `level`, `text`                                                                  |

A request is `[id, correlation id, flags, timeout, parameters, output names, trace, tensors]`; one to another model has
its name and version in front. An answer is `[error, parameters, tensors]`, an error `[code, message, traceback]`. For a
tensor see `tensors.py`.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Union

(COMPLETE, LOAD, EXECUTE, FINALIZE, DONE, FAILED, WITHDRAWN, RESPONSE, ENDED, CALL, ANSWER, LET_GO, ASK, REPLY, LOG,
 FORM, EXECUTE_FORMED, DONE_FORMED, TAKEN) = range(1, 20)  # fmt: skip

RAW = frozenset((EXECUTE_FORMED, DONE_FORMED))
"""Kinds whose header is no JSON."""

SPILLED = 1

MOST_BYTES = 96 * 1024
"""Of one packet. Linux lets a socket hold about 200 kB."""

MOST_SPILLED_BYTES = 1 << 30
"""Of one that was too long: names, texts and strings of parameters, but no large tensors."""

PREFIX = struct.Struct("<BBxxI")
ALIGNMENT = 16
MOST_DESCRIPTORS = 4
_ANCILLARY_BYTES = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)

_CLOSED_ON_EXEC = int(socket.MSG_CMSG_CLOEXEC)
RECEIVE_NOWAIT = int(socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
SEND_NOWAIT = int(socket.MSG_DONTWAIT)
_TRUNCATED = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
"""As plain numbers, because flags of an enumeration take longer to join than a packet to receive."""

Piece = Union[bytes, bytearray, memoryview]


class Garbled(Exception):
    """What came is none of the messages above."""


class Message(NamedTuple):
    """What came in one packet."""

    kind: int
    header: Any
    """A dict; bytes of the kinds in RAW."""
    frame: bytearray | bytes
    """The whole packet, in which the tail begins at `tail`."""
    tail: int
    descriptors: list[int]
    """The receiver's to close."""

    @property
    def is_long(self) -> bool:
        """Whether it did not fit into a packet, or has large tensors: reading it may take long."""
        return len(self.frame) > MOST_BYTES or (self.kind not in RAW and "m" in self.header)


class Channel:
    """One end of one of the two sockets. Any thread may send; one at a time may receive."""

    def __init__(
        self,
        connection: socket.socket,
        dumps: Callable[[Any], bytes],
        loads: Callable[[Any], Any],
        *,
        is_writable: bool = False,
    ) -> None:
        """dumps, loads: JSON to bytes and back. is_writable: what is received may be changed in place."""
        self.connection = connection
        self._dumps = dumps
        self._loads = loads
        self._copy: Callable[[memoryview], bytes | bytearray] = bytearray if is_writable else bytes
        self._buffer = memoryview(bytearray(MOST_BYTES + 1))
        self._buffers = [self._buffer]

    def send(
        self, kind: int, header: Any, tail: Sequence[Piece] = (), descriptors: Sequence[int] = (), flags: int = 0
    ) -> None:
        """Send a message; blocks while the other end does not read. Raises OSError when it is gone.

        flags: with SEND_NOWAIT, it raises BlockingIOError where it would wait.
        """
        text = header if kind in RAW else self._dumps(header)
        text += b" " * (-(PREFIX.size + len(text)) % ALIGNMENT)
        pieces = [PREFIX.pack(kind, 0, len(text)), text, *tail]
        if sum(map(len, pieces)) > MOST_BYTES:
            pieces, descriptors = _spill(kind, pieces, descriptors)
            try:
                self._send(pieces, descriptors, flags)
            finally:
                os.close(descriptors[0])
        else:
            self._send(pieces, descriptors, flags)

    def _send(self, pieces: Sequence[Piece], descriptors: Sequence[int], flags: int) -> None:
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self.connection.sendmsg(pieces, rights, flags)
        else:
            self.connection.send(b"".join(pieces), flags)

    def receive(self, flags: int = 0) -> Message | None:
        """Wait for a message; None when the other end is closed. Raises Garbled, TimeoutError, OSError.

        flags: with RECEIVE_NOWAIT, it raises BlockingIOError where it would wait.
        """
        size, ancillary, truncated, _ = self.connection.recvmsg_into(
            self._buffers, _ANCILLARY_BYTES, flags or _CLOSED_ON_EXEC
        )
        if not size:
            return None
        data = self._copy(self._buffer[:size])
        descriptors = _descriptors(ancillary)
        try:
            return self._read(data, truncated, descriptors)
        except BaseException as error:
            for one in descriptors:
                os.close(one)
            if isinstance(error, (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error)):
                raise Garbled(f"a packet makes no sense: {error}") from error
            raise

    def _read(self, data: bytes | bytearray, truncated: int, descriptors: list[int]) -> Message:
        if truncated & _TRUNCATED:
            raise Garbled("a packet is too long")
        kind, flags, length = PREFIX.unpack_from(data)
        if flags & SPILLED:
            data = self._copy(memoryview(_unspill(descriptors.pop(0), length)))
            kind, _, length = PREFIX.unpack_from(data)
        tail = PREFIX.size + length
        header: Any = data[PREFIX.size : tail]
        if kind not in RAW:
            header = self._loads(header)
        if tail > len(data) or (type(header) is not dict and kind not in RAW):
            raise Garbled("a packet has no header")
        return Message(kind, header, data, tail, descriptors)

    def close(self) -> None:
        """Close this end."""
        self.connection.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new socket."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    if not ancillary:
        return []
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def _spill(kind: int, pieces: Sequence[Piece], descriptors: Sequence[int]) -> tuple[list[Piece], list[int]]:
    """Put a packet into memory of its own; returns the one that tells of it."""
    size = sum(map(len, pieces))
    memory = os.memfd_create("naiad-message", os.MFD_CLOEXEC)
    try:
        os.ftruncate(memory, size)
        with mmap.mmap(memory, size) as mapped:
            for piece in pieces:
                mapped.write(piece)
    except BaseException:
        os.close(memory)
        raise
    return [PREFIX.pack(kind, SPILLED, size)], [memory, *descriptors]


def _unspill(memory: int, size: int) -> bytes:
    """Read what was spilled. `read`, because a mapped page may vanish with what the other end does to the file."""
    try:
        if size > min(MOST_SPILLED_BYTES, os.fstat(memory).st_size):
            raise Garbled("a packet is shorter than it says")
        parts, left = [], size
        while left and (part := os.pread(memory, left, size - left)):
            parts.append(part)
            left -= len(part)
        if left:
            raise Garbled("a packet is shorter than it says")
        return b"".join(parts)
    finally:
        os.close(memory)
