"""Header blocks: decompressed once for each different one, and checked against RFC 9113, section 8.

A client sends the same block again and again, in bytes that mean the same as long as the table of its compressor has
not changed. So the bytes are the key to what was made of them, forgotten whenever the table changes. A block that
changes the table itself is never remembered: it must be decoded each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode


class RequestHead(Protocol):
    """What HTTP/2 must know of a head, whatever else is in it."""

    @property
    def content_bytes(self) -> int:
        """As content-length says; negative: it says nothing."""


Head = TypeVar("Head", bound=RequestHead)
Fields = Sequence[tuple[bytes, bytes]]

_MOST_KNOWN_BYTES = 128 * 1024
"""Of the header lists that are remembered for a connection; a block of a few bytes may stand for a long list."""
_LONGEST_BLOCK_BYTES = 2048

_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
_HOP_BY_HOP = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


_MOST_DIGITS = 19
"""Of a content-length, which is then below 2^64; int() refuses thousands of digits with an error of its own."""


class MalformedError(Exception):
    """A request that breaks a rule of section 8; the connection's compression state is whole."""


class OversizedError(MalformedError):
    """A request whose header list is longer than we said we would take."""


class HeaderBlocks(Generic[Head]):
    """The header blocks of one connection; must see every one of them, in order."""

    def __init__(self, most_bytes: int, interpret: Callable[[Fields], Head]) -> None:
        """interpret: makes of a valid request's fields what is remembered."""
        import hpack

        self._most_bytes = most_bytes
        self._interpret = interpret
        # hpack stops in the middle of a list that is too long, after which nothing more can be read: a second limit.
        self._decoder = hpack.Decoder(max_header_list_size=4 * most_bytes)
        self._table: Any = self._decoder.header_table
        self._error = hpack.HPACKError
        self._oversized = hpack.OversizedHeaderListError
        self._known: dict[bytes, Head] = {}
        self._known_bytes = 0
        """Of their header lists."""

    def read(self, block: bytes) -> Head:
        """Return what the block of a request means. Raises MalformedError; ConnectionFault if it cannot be decoded."""
        head = self._known.get(block)
        if head is not None:
            return head
        entries = self._table.dynamic_entries
        before = (len(entries), entries[0] if entries else None, self._table.maxsize)
        fields = self._decode(block)
        newest = entries[0] if entries else None
        is_same = before[0] == len(entries) and before[1] is newest and before[2] == self._table.maxsize
        if not is_same:
            self._forget()
        size = self._check_size(fields)
        check_request(fields)
        head = self._interpret(fields)
        # A size update (001xxxxx) that changed nothing this time may change something the next time.
        is_plain = is_same and block[0] & 0xE0 != 0x20
        if is_plain and len(block) <= _LONGEST_BLOCK_BYTES and size <= _MOST_KNOWN_BYTES:
            if self._known_bytes + size > _MOST_KNOWN_BYTES:
                self._forget()
            self._known_bytes += size
            self._known[block] = head
        return head

    def read_trailers(self, block: bytes) -> None:
        """Check a request's trailers, which mean nothing here. Raises as `read` does."""
        self._forget()
        fields = self._decode(block)
        self._check_size(fields)
        for name, value in fields:
            if name.startswith(b":"):
                raise MalformedError("pseudo-header in trailers")  # section 8.1
            _check_field(name, value)

    def skip(self, block: bytes) -> None:
        """Decode a block that nobody wants, to keep up with the client's compressor."""
        self._forget()
        self._decode(block)

    def _forget(self) -> None:
        self._known.clear()
        self._known_bytes = 0

    def _decode(self, block: bytes) -> Fields:
        """Section 4.3: what cannot be decompressed is a connection error of type COMPRESSION_ERROR."""
        try:
            return self._decoder.decode(block, raw=True)  # type: ignore[return-value]  # raw=True gives bytes
        except self._oversized as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"header list too large: {error}") from error
        except (self._error, IndexError) as error:
            # hpack's own words may hold addresses of our memory, which are nobody's business.
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "cannot decompress the header block") from error

    def _check_size(self, fields: Fields) -> int:
        """Return the size of a header list as section 6.5.2 of RFC 9113 counts it. Raises OversizedError."""
        size = sum(len(name) + len(value) + 32 for name, value in fields)
        if size > self._most_bytes:
            raise OversizedError(f"request headers of {size} bytes exceed the maximum of {self._most_bytes} bytes")
        return size


def check_request(fields: Fields) -> None:
    """Raise MalformedError unless these are the fields of a request (sections 8.2 and 8.3)."""
    pseudo: set[bytes] = set()
    is_in_pseudo = True
    for name, value in fields:
        if name.startswith(b":"):
            if not is_in_pseudo or name in pseudo or name not in _PSEUDO:
                raise MalformedError(f"pseudo-header {name!r} unknown, repeated or out of place")
            pseudo.add(name)
            _check_value(name, value)
        else:
            is_in_pseudo = False
            _check_field(name, value)
        if name == b":path" and not value:
            raise MalformedError("empty :path")
        if name == b"content-length" and not (value.isdigit() and len(value) <= _MOST_DIGITS):
            raise MalformedError(f"content-length {value[:_MOST_DIGITS]!r}")
    if not pseudo >= {b":method", b":scheme", b":path"}:
        raise MalformedError("pseudo-header missing: a request has :method, :scheme and :path")  # 8.3.1


def _check_field(name: bytes, value: bytes) -> None:
    """Sections 8.2.1 (validity) and 8.2.2 (connection-specific fields)."""
    if not name or not _TOKEN.issuperset(name):
        raise MalformedError(f"invalid header name {name!r}")
    if name in _HOP_BY_HOP or (name == b"te" and value != b"trailers"):
        raise MalformedError(f"connection-specific header {name!r}")
    _check_value(name, value)


def _check_value(name: bytes, value: bytes) -> None:
    if b"\0" in value or b"\n" in value or b"\r" in value or value[:1] in _BLANKS or value[-1:] in _BLANKS:
        raise MalformedError(f"invalid value of header {name!r}")


_BLANKS = (b" ", b"\t")
