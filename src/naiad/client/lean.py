"""HTTP with the standard library's own client, for who sends many small requests one after the other.

A third of the time that httpx2 takes for such a request. No TLS, no proxies, no HTTP/2, nothing asynchronous.
"""

from __future__ import annotations

import http.client
import select
from collections import deque
from typing import TypeVar
from urllib.parse import urlsplit

from naiad.client.calls import HEADER_LENGTH, Call, Reply
from naiad.client.connection import Connection
from naiad.client.errors import translated

Value = TypeVar("Value")


class LeanClient:
    """Connections to one server, kept for the next request; threads may share it."""

    def __init__(self, connection: Connection) -> None:
        """connection: to an address without TLS."""
        self._url = connection.url
        self._headers = {"Accept-Encoding": "identity", **connection.headers}
        self._timeout_s = connection.timeout_s
        place = urlsplit(self._url)
        self._host, self._port = place.hostname or "", place.port or 80
        self._idle: deque[http.client.HTTPConnection] = deque()

    def send(self, call: Call[Value], timeout_s: float | None = None) -> Value:
        """Do one exchange, as `naiad.Client.send`."""
        limit_s = timeout_s or self._timeout_s
        with translated(self._url, limit_s):
            reply = self._exchange(call, limit_s)
        return call.read(reply)

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, call: Call[Value], limit_s: float) -> Reply:
        connection = self._open(limit_s)
        try:
            connection.request(call.method, call.path, call.content, {**self._headers, **call.headers})
            response = connection.getresponse()
            reply = Reply(self._url, response.status, response.read(), response.headers.get(HEADER_LENGTH))
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return reply

    def _open(self, limit_s: float) -> http.client.HTTPConnection:
        """One that was kept and that the server has not closed, or a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if connection.sock is not None and not _is_readable(connection):
                connection.sock.settimeout(limit_s)
                return connection
            connection.close()
        return http.client.HTTPConnection(self._host, self._port, timeout=limit_s)


def _is_readable(connection: http.client.HTTPConnection) -> bool:
    """Whether something came that nobody has asked for: the end of the connection."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
