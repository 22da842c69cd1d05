"""Which stream ids have been (RFC 9113, section 5.1.1), without keeping every one of them."""

from __future__ import annotations

_MOST_ABANDONED = 4096
"""Streams that we ended first, whose late frames are ignored; older ones have nothing under way any more."""
_MOST_GAPS = 64


class StreamIds:
    """The ids that one client has used."""

    def __init__(self) -> None:
        self.last = 0
        """The highest so far."""
        self._gaps: list[range] = []
        """Jumped over."""
        self._abandoned: dict[int, None] = {}

    def begin(self, stream_id: int) -> None:
        """Take a new one, higher than all before."""
        if stream_id > self.last + 2 and len(self._gaps) < _MOST_GAPS:
            self._gaps.append(range(self.last + 2 if self.last else 1, stream_id, 2))
        self.last = stream_id

    def is_idle(self, stream_id: int) -> bool:
        """Not used yet; clients' ids are odd and rise."""
        return stream_id > self.last or not stream_id & 1

    def is_skipped(self, stream_id: int) -> bool:
        """Jumped over, so it can never be used."""
        return any(stream_id in gap for gap in self._gaps)

    def abandon(self, stream_id: int) -> None:
        """Remember a stream that we ended before the client did: it may not know yet."""
        self._abandoned[stream_id] = None
        if len(self._abandoned) > _MOST_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]

    def is_abandoned(self, stream_id: int) -> bool:
        """Frames on it are late, not wrong."""
        return stream_id in self._abandoned
