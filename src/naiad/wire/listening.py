"""Opening a port, the same for every door of ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from naiad.core.errors import InvalidConfiguration


async def listen(
    connection: Callable[[], asyncio.Protocol], host: str, port: int, option: str, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.Server, int]:
    """Listen, and return the server and its port, which the system chooses when 0 is asked for.

    connection: makes the protocol of each new connection. Raises InvalidConfiguration naming the option when the
    address cannot be had.
    """
    try:
        server = await asyncio.get_running_loop().create_server(connection, host, port, backlog=1024, ssl=tls)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidConfiguration(
            f"cannot listen on {host}:{port}: {reason}. Choose another with {option}."
        ) from error
    return server, server.sockets[0].getsockname()[1]
