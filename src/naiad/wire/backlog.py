"""Closing a listening socket without losing a connection that a client has made.

The system shakes hands on its own and keeps connections until they are taken. Those that wait when the socket is closed
are reset, and with them the requests that were already sent. So a filter keeps new handshakes from beginning, those
under way get time to end, and then all that wait are taken.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from array import array
from contextlib import suppress

_LOCAL_S, _REMOTE_S = 0.002, 0.05
"""What a handshake takes once the client has been answered: half a round trip."""

_ATTACH_FILTER = getattr(socket, "SO_ATTACH_FILTER", 26)
"""Linux's; elsewhere it is refused, and the moment between the last look and the end stays."""

_FLAGS, _SYN_ACK, _SYN = 13, 0x12, 0x02
"""Where TCP's flags stand, those that tell the two sides of a handshake apart, and those of its first packet."""

_PROGRAM = (
    (0x30, 0, 0, _FLAGS),  # load the byte
    (0x54, 0, 0, _SYN_ACK),  # and
    (0x15, 0, 1, _SYN),  # if equal, go on, else skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # let pass
)
"""Classic BPF: code, jump if true, jump if false, operand."""


def refuse_handshakes(listening: socket.socket) -> None:
    """Drop the first packet of every new handshake; its sender tries again a second later, and is refused then."""
    program = array("B", b"".join(struct.pack("HBBI", *step) for step in _PROGRAM))
    with suppress(OSError):
        listening.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_PROGRAM), program.buffer_info()[0])
        )


def handshake_s(listening: socket.socket) -> float:
    """How long handshakes that have begun may take to end."""
    with suppress(OSError, ValueError):
        host = listening.getsockname()[0].partition("%")[0]
        return _LOCAL_S if ipaddress.ip_address(host).is_loopback else _REMOTE_S
    return _REMOTE_S


def take_waiting(listening: socket.socket) -> list[socket.socket]:
    """Accept every connection that waits; listening: not blocking."""
    taken: list[socket.socket] = []
    while True:
        try:
            connection, _ = listening.accept()
        except ConnectionAbortedError:  # its client has left again
            continue
        except OSError:  # there are no more, or no descriptors for them
            return taken
        connection.setblocking(False)
        taken.append(connection)
