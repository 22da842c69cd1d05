"""How long a client may take, and the one timer that looks after all connections of a listener.

Nothing is noted when bytes come or go, apart from one flag: the timer looks every few seconds at where each connection
stands, and what stands where it stood before has been there at least since then. So a limit is noticed up to two looks
late, never early, and a thousand connections cost a look of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from naiad.core.clock import Clock
from naiad.wire.http.http1.parts import Part
from naiad.wire.http.http1.reader import RequestReader

_LONGEST_LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class HttpTimes:
    """Seconds that a client may take."""

    header_s: float = 30.0
    """From the first byte of a request to the end of its headers."""
    body_s: float = 60.0
    """For a body, besides what `body_rate` gives it."""
    body_rate: int = 500
    """Bytes a second: a body may take as long as it would at this rate."""
    idle_s: float = 620.0
    """Without a request. Longer than the 600 s for which load balancers keep connections, so that they close first."""
    write_s: float = 60.0
    """Without taking anything of an answer that waits for it."""
    linger_s: float = 5.0
    """To read the answer to what was not read to its end, until the connection is cut."""


class Stage(Enum):
    """Where a connection stands."""

    IDLE = auto()
    HEADERS = auto()
    BODY = auto()
    WORKING = auto()
    """The client waits for us."""
    SENDING = auto()
    """We wait for the client to read."""
    LINGERING = auto()
    """Everything is sent; the client has been told that nothing more is read."""


def stage_of(unsent_bytes: int, is_closing: bool, owed: int, reader: RequestReader) -> tuple[Stage, int]:
    """Return where a connection stands, and a number that changes when it gets on; owed: answers."""
    if unsent_bytes:
        return Stage.SENDING, unsent_bytes
    if is_closing and not owed:
        return Stage.LINGERING, 0
    if owed:
        return Stage.WORKING, 0
    if reader.part is Part.BETWEEN:
        return Stage.IDLE, 0
    return (Stage.HEADERS if reader.part is Part.HEAD else Stage.BODY), reader.begun


def allowed_s(stage: Stage, times: HttpTimes, body_bytes: int) -> float | None:
    """Return how long a connection may stay where it stands; None: as long as it likes."""
    match stage:
        case Stage.IDLE:
            return times.idle_s
        case Stage.HEADERS:
            return times.header_s
        case Stage.BODY:
            return times.body_s + body_bytes / times.body_rate
        case Stage.SENDING:
            return times.write_s
        case Stage.LINGERING:
            return times.linger_s
        case Stage.WORKING:
            return None


class Watched(Protocol):
    """A connection, as the watch sees it."""

    def look(self, now_s: float, times: HttpTimes) -> None:
        """Do what the time asks for."""
        ...


class Watch:
    """The timer of one listener; runs while there are connections."""

    def __init__(
        self,
        connections: Collection[Watched],
        times: HttpTimes,
        now: Clock,
        call_later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        """connections: the listener's own set. call_later: of the event loop; takes seconds."""
        self._connections = connections
        self._times = times
        self._now = now
        self._call_later = call_later
        shortest_s = min(times.header_s, times.body_s, times.idle_s, times.write_s)
        self._every_s = min(shortest_s / 4, _LONGEST_LOOK_S)
        self._timer: Any = None

    def begin(self) -> None:
        """Look after a connection that has come."""
        if self._timer is None:
            self._timer = self._call_later(self._every_s, self._ring)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        now_s = self._now()
        for connection in list(self._connections):
            connection.look(now_s, self._times)
        if self._connections:
            self.begin()
