"""JSON of megabytes, parsed in pieces: no call takes long, and long arrays of numbers never become lists of objects.

The text is cut at commas outside strings. A piece begins and ends in the middle of arrays and objects, so it is
completed with the brackets that are open around it, parsed by the fast parser, and hung into what came before it. The
result is what parsing the whole gives, and so are the errors: `parse_json` is the judge, and tests compare the two at
every cut.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson

from naiad.protocol.json.body import STRINGS, as_object, check_values, malformed, too_deep
from naiad.protocol.json.faults import BYTE_ORDER_MARK
from naiad.protocol.json.large_array import LargeArray, flatten
from naiad.protocol.limits import Limits, body_too_large

PIECE_BYTES = 64 * 1024
"""About a millisecond's work."""

Keys = list[str | None]
"""Where a value stands: the members' names on the way to it, None for an array."""

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = bytes.maketrans(b"]}", b"[{")

_TOKEN = secrets.token_hex(8)
"""Stands where a piece of ours is put into a text; nobody else can know it."""
_BEFORE = b'{"%b":' % _TOKEN.encode()
_OPEN_LIST, _OPEN_OBJECT = b',"%b"]' % _TOKEN.encode(), b',"%b":0}' % _TOKEN.encode()


class _Piece(NamedTuple):
    """What stands between two commas."""

    start: int
    end: int
    closing: bytes
    """Brackets that it closes and did not open."""
    opening: bytes
    """Brackets that it opens and does not close."""


def parse_in_pieces(
    raw: bytes,
    limits: Limits,
    is_large: Callable[[Keys], bool] = lambda _: False,
    piece_bytes: int = PIECE_BYTES,
) -> Any:
    """Parse a JSON text; the errors are those of `parse_json`.

    is_large: whether a long array at this place is wanted as LargeArray; short ones are lists.
    """
    if len(raw) > limits.body_bytes:
        raise body_too_large(len(raw), limits.body_bytes)
    check_values(raw, limits.json_values)
    start = len(BYTE_ORDER_MARK) if raw.startswith(BYTE_ORDER_MARK) else 0
    pieces = list(_pieces(raw, start, piece_bytes, limits.json_depth))
    growing = _Growing(is_large)
    try:
        for piece in pieces[:-1]:
            growing.take(raw[piece.start : piece.end], piece.closing, piece.opening)
        last = pieces[-1]
        return growing.finish(raw[last.start : last.end], last.closing)
    except (orjson.JSONDecodeError, _CutError) as error:
        raise malformed(raw) from error


def parse_long_json(raw: bytes, limits: Limits, otherwise: str = "") -> dict[str, Any]:
    """Parse a JSON object as `parse_json` does, for a thread."""
    return as_object(parse_in_pieces(raw, limits), otherwise)


class _CutError(Exception):
    """The text is no JSON, which the pieces alone would not show."""


def _pieces(raw: bytes, at: int, size: int, max_depth: int) -> Iterator[_Piece]:
    """Cut the text. Raises InvalidRequest for one that is nested too deeply."""
    depth, end = 0, len(raw)
    while at <= end:
        cut = _comma(raw, at, size) if end - at > size else -1
        stop = end if cut < 0 else cut
        brackets = _brackets(raw[at:stop])
        steps = np.where(
            np.frombuffer(brackets.translate(_OPENING), np.uint8) == np.frombuffer(brackets, np.uint8), 1, -1
        )
        if depth + int(np.cumsum(steps).max(initial=0)) > max_depth:
            raise too_deep(max_depth)
        depth += int(steps.sum())
        yield _Piece(at, stop, *_unpaired(brackets))
        at = stop + 1


def _comma(raw: bytes, at: int, size: int) -> int:
    """Return where a comma outside strings is: the last within `size` bytes, else one further on; -1: nowhere."""
    end = len(raw)
    while True:
        stop = min(at + size, end)
        cut = _last_comma(raw, at, stop)
        if cut >= 0 or stop == end:
            return cut
        size *= 2


def _last_comma(raw: bytes, at: int, stop: int) -> int:
    if raw.find(b"\\", at, stop) < 0:  # then quotes alone tell what is a string
        cut = raw.rfind(b",", at, stop)
        if cut < 0 or raw.count(b'"', at, cut) % 2 == 0:
            return cut
        cut = raw.rfind(b",", at, raw.rfind(b'"', at, cut))
        if cut < 0 or raw.count(b'"', at, cut) % 2 == 0:
            return cut
    for string in reversed([found.span() for found in STRINGS.finditer(raw, at, stop)]):
        cut = raw.rfind(b",", string[1], stop)
        if cut >= 0:
            return cut
        stop = string[0]
    return raw.rfind(b",", at, stop)


def _brackets(piece: bytes) -> bytes:
    """Brackets outside strings."""
    plain = STRINGS.sub(b"", piece) if b'"' in piece else piece
    return plain.translate(None, _NO_BRACKETS)


def _unpaired(brackets: bytes) -> tuple[bytes, bytes]:
    """Return which brackets close what was open before, and which stay open."""
    size = -1
    while len(brackets) != size:
        size = len(brackets)
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    opening = brackets.lstrip(b"]}")
    return brackets[: len(brackets) - len(opening)], opening


class _Growing:
    """The document, as far as it has come, and what is open in it."""

    def __init__(self, is_large: Callable[[Keys], bool]) -> None:
        self._is_large = is_large
        self._root: Any = None
        self._kinds = b""
        """Open brackets, the outermost first."""
        self._values: list[Any] = []
        """What they belong to; None inside a LargeArray."""
        self._keys: Keys = []
        """The member of each that is open, None for an array's."""

    def take(self, piece: bytes, closing: bytes, opening: bytes) -> None:
        """Take a piece that a comma follows. Raises _CutError, JSONDecodeError."""
        if piece.rstrip(_SPACE)[-1:] in (b"", b"[", b"{"):
            raise _CutError  # nothing stands before the comma
        kept, base = self._kept(piece, closing)
        kinds = kept + opening
        if not kinds or opening.strip(b"[{"):
            raise _CutError
        value = orjson.loads(b"".join((_beginning(self._kinds[base:]), piece, _ending(kinds[base:]))))
        self._absorb(value, base, kinds)

    def finish(self, piece: bytes, closing: bytes) -> Any:
        """Take the last piece and return the document. Raises as `take` does."""
        if not self._kinds:  # it is the only one
            return orjson.loads(piece)
        base = self._kept(piece, closing)[1]
        self._absorb(orjson.loads(_beginning(self._kinds[base:]) + piece), base, b"")
        return self._root

    def _kept(self, piece: bytes, closing: bytes) -> tuple[bytes, int]:
        """Return which of the open brackets stay open, and the innermost of them, with which parsing begins."""
        if self._kinds and piece.lstrip(_SPACE)[:1] in (b"", b"]", b"}"):
            raise _CutError  # nothing stands behind the comma
        kept = self._kinds[: max(0, len(self._kinds) - len(closing))]
        if closing.translate(_OPENING)[::-1] != self._kinds[len(kept) :]:
            raise _CutError
        return kept, max(0, len(kept) - 1)

    def _absorb(self, value: Any, base: int, kinds: bytes) -> None:
        """Hang a piece's value into the document. base: its depth; kinds: the brackets that are open behind it."""
        if not self._kinds:
            self._root = value
            self._values = [value]
            self._keys = []
            self._descend(value, 0, kinds)
        elif (large := self._large_at(base)) is not None:
            large.extend(_leaves(value, self._kinds[base:]))
            self._values = self._values[: base + 1] + [None] * (len(kinds) - base - 1)
            self._keys = self._keys[:base] + [None] * (len(kinds) - base - 1)
        else:
            self._join_left(value, base)
            self._values, self._keys = self._values[: base + 1], self._keys[:base]
            if kinds:
                self._descend(value, base, kinds)
            _merge(self._values[base], value)
        self._kinds = kinds

    def _large_at(self, base: int) -> LargeArray | None:
        """The LargeArray that a depth is in."""
        return next((one for one in self._values[: base + 1] if type(one) is LargeArray), None)

    def _join_left(self, value: Any, base: int) -> None:
        """Take out of a piece's value what belongs to values that were open before it, and put it there."""
        left: list[tuple[Any, Any]] = []
        for depth in range(base + 1, len(self._kinds)):
            value = value.pop(0) if type(value) is list else value.pop(_TOKEN)
            into = self._values[depth]
            if type(into) is LargeArray:
                into.extend(_leaves(value, self._kinds[depth:]))
                break
            left.append((into, value))
        for into, more in left:
            _merge(into, more)

    def _descend(self, value: Any, base: int, kinds: bytes) -> None:
        """Note what is open behind a piece: the last value of its last value, and so on."""
        for depth in range(base + 1, len(kinds)):
            key = None if type(value) is list else next(key for key, one in value.items() if _is_open(one))
            self._keys.append(key)
            child = value[-1] if key is None else value[key]
            if type(child) is list and self._is_large(self._keys):
                large = LargeArray()
                large.extend(_leaves(child))
                value[-1 if key is None else key] = large
                self._values += [large, *[None] * (len(kinds) - depth - 1)]
                self._keys += [None] * (len(kinds) - depth - 1)
                return
            child.pop() if type(child) is list else child.pop(_TOKEN)
            self._values.append(child)
            value = child


_SPACE = b" \t\n\r"


def _beginning(kinds: bytes) -> bytes:
    """Return what opens these brackets, each in the one before it."""
    inner = b"".join(b"[" if kind == b"["[0] else _BEFORE for kind in kinds[:-1])
    return inner + kinds[-1:]


def _ending(kinds: bytes) -> bytes:
    """Return what closes these brackets, with a mark in each but the outermost by which it is found."""
    inner = b"".join(_OPEN_LIST if kind == b"["[0] else _OPEN_OBJECT for kind in reversed(kinds[1:]))
    return inner + (b"]" if kinds[:1] == b"[" else b"}")


def _is_open(value: Any) -> bool:
    if type(value) is list:
        return bool(value) and value[-1] == _TOKEN
    return type(value) is dict and _TOKEN in value


def _leaves(value: Any, before: bytes = b"") -> list[Any]:
    """Flatten a list, without the marks of those that are open.

    before: brackets that were open before; if there is an object among them, what has come of it was a leaf then.
    """
    leaves = flatten([value])
    while leaves and leaves[-1] == _TOKEN:
        leaves.pop()
    return leaves[1:] if b"{" in before else leaves


def _merge(into: Any, more: Any) -> None:
    if type(into) is list:
        into.extend(more)
    else:
        into.update(more)
