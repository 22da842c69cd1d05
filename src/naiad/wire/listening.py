"""Opening a port, the same for every door of ours."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from naiad.core.errors import InvalidConfiguration


async def listen(
    connection: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    option: str,
    tls: ssl.SSLContext | None = None,
    reuse_port: bool = False,
) -> tuple[asyncio.Server, int]:
    """Listen, and return the server and its port, which the system chooses when 0 is asked for.

    connection: makes the protocol of each new connection. reuse_port: other servers that say so, too, may have the same
    port; the system spreads the connections. Raises InvalidConfiguration naming the option when the address cannot be
    had.
    """
    try:
        server = await asyncio.get_running_loop().create_server(
            connection, host, port, backlog=1024, ssl=tls, reuse_port=reuse_port or None
        )
    except (OSError, OverflowError, UnicodeError) as error:
        raise cannot_listen(host, port, option, error) from error
    return server, server.sockets[0].getsockname()[1]


def address(host: str, port: int) -> str:
    """Return host:port, with the brackets that an IPv6 address has in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(host: str, port: int, option: str, error: Exception) -> InvalidConfiguration:
    """Return the error for an address that cannot be had, from what the system said. option: the port's."""
    is_host = isinstance(error, socket.gaierror | UnicodeError) or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL
    better = option.replace("-port", "-host") if is_host else option
    reason = str(getattr(error, "strerror", None) or error)
    return InvalidConfiguration(f"cannot listen on {address(host, port)}: {reason}. Choose another with {better}.")
