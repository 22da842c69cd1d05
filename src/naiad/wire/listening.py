"""Opening a port, the same for every door of ours."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from naiad.core.errors import InvalidConfiguration

_HANDSHAKE_S = 20.0
"""A client has so long to set up TLS; nobody else counts it as a connection meanwhile."""
_FLUSH_S = 60.0
"""Answers that are not sent yet when a TLS connection is closed have so long to leave."""
_GOODBYE_S = 1.0
"""A client has so long to answer our TLS goodbye when there is nothing left to send."""


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
            connection,
            host,
            port,
            backlog=1024,
            ssl=tls,
            reuse_port=reuse_port or None,
            ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
            ssl_shutdown_timeout=_FLUSH_S if tls else None,
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


class _TlsTransport:
    """A TLS connection that does not wait for a silent peer's goodbye once everything has been sent."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.write = transport.write
        self.writelines = transport.writelines
        self.can_write_eof = transport.can_write_eof
        self.write_eof = transport.write_eof
        self.abort = transport.abort
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.set_write_buffer_limits = transport.set_write_buffer_limits

    def close(self) -> None:
        """Say goodbye; what is not sent yet gets the time that it takes, up to _FLUSH_S."""
        self._transport.close()
        if not self._transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(_GOODBYE_S, self.abort)


def gentle(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Return what a connection should hold instead of its transport; itself without TLS."""
    stands_in: Any = transport
    if transport.get_extra_info("ssl_object") is not None:
        stands_in = _TlsTransport(stands_in)
    return cast("asyncio.Transport", stands_in)
