"""Ports for servers that must be told one."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that the system gives to nobody who asks it for any.

    One of those would be given away before a server that loads models first has come to listen on it.
    """
    below = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 0
    if below <= _LOWEST + 1000:
        return _given_ports(count)
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(_LOWEST, below)  # noqa: S311 - no secret
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _given_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
