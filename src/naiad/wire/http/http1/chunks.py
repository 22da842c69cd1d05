"""What a chunked body is besides its data (RFC 9112, section 7.1): size lines with their extensions, and the trailer.

The parser shows none of it before it is whole: of a size nothing at all, of a trailer one field at a time. So it is
counted here by what is left of the bytes received, and a size is read out of them, so that neither grows without bound.
"""

from __future__ import annotations

import re

_LINE_BYTES = 32
"""What a chunk's own lines may take without being counted: a size of 16 digits and a short extension."""

_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
"""A size line. A field of a trailer is none: its name is followed by a colon."""


class Chunks:
    """The chunks of one body, as they arrive."""

    __slots__ = ("_began_at", "_is_new", "_is_open", "_line", "count", "framing_bytes")

    def __init__(self) -> None:
        self.count = 0
        """Chunks begun so far; the last one, which is empty, is one of them."""
        self.framing_bytes = 0
        """Received of the body that are not its data, beyond what its chunks need."""
        self._is_open = False
        self._is_new = False
        """The size of the open chunk has not been read yet."""
        self._began_at = 0
        """Bytes of the body before the open chunk."""
        self._line = b""
        """Received of the line in hand."""

    def begin(self, body_bytes: int) -> None:
        """The parser has read a size line. body_bytes: of the body so far."""
        self.count += 1
        self.framing_bytes -= _LINE_BYTES
        self._is_open = self._is_new = True
        self._began_at = body_bytes

    def count_framing(self, data: bytes, size: int | None, body_bytes: int) -> None:
        """Count the bytes that were not the body's; what chunks did not need gives no credit to a trailer.

        data: what the parser has just read. size: how much of it was not the body's; None: other things stand in front,
        and only the line in hand is counted. body_bytes: of the body so far.
        """
        if size is None:
            size = unfinished_line(data) - (body_bytes - self._began_at if self._is_open else 0)
            self.framing_bytes = 0
        self.framing_bytes = max(0, self.framing_bytes + size)

    def end(self) -> None:
        """The parser has read the end of a chunk, or of the trailer."""
        self._is_open = False

    def announced(self, data: bytes, body_bytes: int) -> int:
        """Return how long the body is with the chunk whose data are being received; 0 if that is not known.

        data: what the parser has just read, all of it. body_bytes: of the body so far.
        """
        if not self._is_open:
            at = data.rfind(b"\n") + 1
            self._line = data[at:] if at else self._line + data
            return 0
        if not self._is_new:
            return 0
        self._is_new = False
        # The chunk is not complete, so what has come of it is the end of `data`, and before it is its size line. Only
        # behind the last chunk, which is empty, may there be more: a trailer.
        lines = self._line + data[: len(data) - (body_bytes - self._began_at)]
        self._line = b""
        size = _SIZE.fullmatch(lines.rpartition(b"\r\n")[0].rpartition(b"\n")[2]) if lines[-1:] == b"\n" else None
        return self._began_at + int(size[1], 16) if size else 0


def unfinished_line(data: bytes) -> int:
    """Return how many bytes follow the last line that is whole."""
    return len(data) - data.rfind(b"\n") - 1
