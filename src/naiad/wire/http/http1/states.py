"""The life of one HTTP/1.1 connection as a table, and the reasons for which nothing is read from it for a while.

`connection.py` moves through the table. How far a request has been read is the reader's business (`reader.py`), and how
long a client may take is that of `timeouts.py`.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class ConnectionState(IntEnum):
    """Where a connection is between its first byte and its end."""

    OPEN = 0
    DRAINING = 1
    """Requests are read; the next answer says that the connection closes."""
    CLOSING = 2
    """No request is read any more; the connection is closed when everything owed is sent."""
    REFUSED = 3
    """As CLOSING, and the client may still be sending: closing both ways at once would destroy the answer on its way
    (RFC 9112, 9.6)."""
    LOST = 4


class ConnectionEvent(IntEnum):
    """What moves a connection."""

    DRAIN = 0
    """The server takes no more connections."""
    LAST = 1
    """No request will be read after those that have come."""
    REFUSE = 2
    """What comes cannot be read to its end."""
    LOSE = 3
    """The transport is gone."""


_OPEN, _DRAINING, _CLOSING, _REFUSED, _LOST = ConnectionState
TRANSITIONS: tuple[tuple[ConnectionState | None, ...], ...] = (
    # DRAIN,    LAST,     REFUSE,   LOSE
    (_DRAINING, _CLOSING, _REFUSED, _LOST),  # OPEN
    (_DRAINING, _CLOSING, _REFUSED, _LOST),  # DRAINING
    (_CLOSING, _CLOSING, None, _LOST),  # CLOSING
    (_REFUSED, _REFUSED, None, _LOST),  # REFUSED
    (None, None, None, None),  # LOST
)
"""State → event → next state; None: must not happen, callers see to it."""


class Hold(Enum):
    """Why nothing is read from a client for the moment; there may be several reasons."""

    UNREAD = auto()
    """It does not read what we write."""
    BACKLOG = auto()
    """Too many of its requests are not answered yet, or their bodies are too large together."""
    CONTINUE = auto()
    """It waits for leave to send a body, 100 Continue, which comes after the answers that it waits for, too."""
    TURN = auto()
    """It has sent more than is read in one turn of the loop."""
    RELEASING = auto()
    """Requests that waited are being dispatched; what is answered meanwhile must not begin with that again."""
