"""Opening a port, the same for every door of ours."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import socket
import ssl
import sys
import termios
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, cast
from weakref import WeakSet

from naiad.core.errors import InvalidConfiguration
from naiad.wire.backlog import handshake_s, refuse_handshakes, take_waiting
from naiad.wire.descriptors import Descriptors

_HANDSHAKE_S = 20.0
"""A client has so long to set up TLS; nobody else counts it as a connection meanwhile."""
_FLUSH_S = 60.0
"""Answers that are not sent yet when a TLS connection is closed have so long to leave."""
_TAKING_S, _LOOK_S = 1.0, 0.01
"""The last connections have so long to set up TLS before the rest of a drain goes on; how often to look at them."""
_GOODBYE_S = 1.0
"""A client has so long to answer our TLS goodbye when there is nothing left to send."""


ANY = "::"
"""The address of IPv6 that stands for all; here for those of IPv4 as well."""

_BACKLOG = 1024
"""Connections that may wait to be taken; the system may allow fewer."""

_TRIES = 8
"""How often a port that the system has chosen on one address may turn out to be taken on another."""


class Connection(asyncio.Protocol):
    """What a door makes of a connection."""

    has_begun = False
    """It has its transport: with TLS, once that is set up."""


class Listening:
    """The listening sockets of one door, which all have the same port."""

    def __init__(
        self,
        servers: Sequence[asyncio.AbstractServer],
        sockets: Sequence[socket.socket],
        take: Callable[[socket.socket], Awaitable[object]],
        made: Collection[Connection],
    ) -> None:
        """servers: of the loop, one for each socket. take: makes an accepted socket a connection as they do.

        made: connections that may still be setting up TLS.
        """
        self._servers = tuple(servers)
        self._sockets = tuple(sockets)
        self._take = take
        self._made = made
        self.port: int = sockets[0].getsockname()[1]

    def close(self) -> None:
        """Take no new connections; those that wait to be taken are reset."""
        self._sockets = ()
        for server in self._servers:
            server.close()

    async def drain(self) -> None:
        """Take no new connections, but all that clients have made, or are making, when this is called."""
        sockets = self._sockets
        if not sockets:
            return
        for one in sockets:
            refuse_handshakes(one)
        await asyncio.sleep(max(map(handshake_s, sockets)))
        if not self._sockets:  # closed meanwhile
            return
        kept = [one.dup() for one in sockets]  # the loop closes its own
        self.close()
        taking: list[Awaitable[object]] = []
        for one in kept:
            one.setblocking(False)
            taking += [self._take(taken) for taken in take_waiting(one)]
            one.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TAKING_S):
                await asyncio.gather(*taking, return_exceptions=True)
                while not all(one.has_begun for one in self._made):  # noqa: ASYNC110 - the loop tells nobody
                    await asyncio.sleep(_LOOK_S)


async def listen(
    connection: Callable[[], Connection],
    hosts: Sequence[str],
    port: int,
    option: str,
    tls: ssl.SSLContext | None = None,
    reuse_port: bool = False,
) -> Listening:
    """Listen on every address that the hosts have; on one port, which the system chooses when 0 is asked for.

    connection: makes the protocol of each new connection. reuse_port: other servers that say so, too, may have the same
    port; the system spreads the connections. Raises InvalidConfiguration naming the option when an address cannot be
    had.
    """
    loop = asyncio.get_running_loop()
    sockets = open_sockets(hosts, port, option, reuse_port)
    made: WeakSet[Connection] = WeakSet()
    secured: dict[str, Any] = {}
    descriptors, any_open = Descriptors(), sockets[0].fileno()

    def make() -> Connection:
        descriptors.look(any_open)
        one = connection()
        if tls is not None:
            made.add(one)
        return one

    if tls is not None:
        secured = {"ssl": tls, "ssl_handshake_timeout": _HANDSHAKE_S, "ssl_shutdown_timeout": _FLUSH_S}
    servers = [await loop.create_server(make, sock=one, backlog=_BACKLOG, **secured) for one in sockets]
    return Listening(servers, sockets, lambda taken: loop.connect_accepted_socket(make, taken, **secured), made)


def open_sockets(hosts: Sequence[str], port: int, option: str, reuse_port: bool) -> list[socket.socket]:
    """Bind one socket to every address of the hosts, all on one port. Raises InvalidConfiguration as `listen` does."""
    places = _places(hosts, port, option)
    for _ in range(_TRIES):
        sockets: list[socket.socket] = []
        host = hosts[0]
        try:
            for host, family, place in places:  # noqa: B007 — the one that fails is named
                chosen = port or (sockets[0].getsockname()[1] if sockets else 0)
                sockets.append(_bound(family, (place[0], chosen, *place[2:]), reuse_port))
        except (OSError, OverflowError) as error:
            for one in sockets:
                one.close()
            if port or not sockets or getattr(error, "errno", 0) != errno.EADDRINUSE:
                raise cannot_listen(host, port, option, error) from error
        else:
            return sockets
    raise InvalidConfiguration(f"no port is free on all of {', '.join(hosts)}. Choose one with {option}.")


def _places(hosts: Sequence[str], port: int, option: str) -> list[tuple[str, int, Any]]:
    """Host, family and address of everything that the names stand for, each address once."""
    found: dict[tuple[int, Any], str] = {}
    for host in (ANY,) if ANY in hosts else hosts:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, OverflowError, UnicodeError) as error:
            raise cannot_listen(host, port, option, error) from error
        for family, _, _, _, place in rows:
            found.setdefault((int(family), place), host)
    return [(host, family, place) for (family, place), host in found.items()]


def _bound(family: int, place: Any, reuse_port: bool) -> socket.socket:
    takes_both = family == socket.AF_INET6 and place[0] == ANY and socket.has_dualstack_ipv6()
    return socket.create_server(
        place, family=family, reuse_port=reuse_port, dualstack_ipv6=takes_both, backlog=_BACKLOG
    )


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
        self.set_write_buffer_limits = transport.set_write_buffer_limits

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`; asyncio's own has forgotten it when it is closed."""
        with contextlib.suppress(AttributeError):
            return self._transport.get_write_buffer_size()
        return 0

    def close(self) -> None:
        """Say goodbye; what is not sent yet gets the time that it takes, up to _FLUSH_S."""
        self._transport.close()
        if not self.get_write_buffer_size():
            asyncio.get_running_loop().call_later(_GOODBYE_S, self.abort)


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Count what the client's system has not taken yet: of the loop's buffer and of our own system's."""
    unsent = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed, as it is where there is no socket
        if sock is not None:
            unsent += int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return unsent


def gentle(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Return what a connection should hold instead of its transport; itself without TLS."""
    stands_in: Any = transport
    if transport.get_extra_info("ssl_object") is not None:
        stands_in = _TlsTransport(stands_in)
    return cast("asyncio.Transport", stands_in)
