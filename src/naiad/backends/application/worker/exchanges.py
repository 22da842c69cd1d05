"""One HTTP request inside a worker, and the way of its response, part by part, no faster than its client reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from naiad.backends.application import wire
from naiad.backends.application.worker.link import Link
from naiad.core.user_code.application import Address, Headers

WINDOW_BYTES = 1 << 20
"""Of a response that may be on their way to the client; who has more to say waits."""

_HEADER_ENDS = ("\r", "\n", "\0")


class ClientLeft(OSError):
    """Nobody waits for the response any more."""

    def __init__(self) -> None:
        super().__init__("the client has closed its connection")


@dataclass(slots=True)
class Request:
    """A request as it came."""

    method: str
    target: str
    scheme: str
    client: Address | None
    server: Address | None
    is_old: bool
    """HTTP/1.0."""
    headers: Headers
    body: Any
    """Bytes, or a view of them."""

    @classmethod
    def of(cls, row: list[Any], body: Any) -> Request:
        """Read one."""
        method, target, scheme, client, server, is_old, headers = row
        return cls(
            method,
            target,
            scheme,
            None if client is None else (client[0], client[1]),
            None if server is None else (server[0], server[1]),
            is_old,
            [(name, value) for name, value in headers],
            body,
        )

    @property
    def path(self) -> str:
        """The target's path, not decoded; of an absolute one, too."""
        target = self.target.partition("?")[0]
        return target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]

    @property
    def query(self) -> str:
        """What follows the question mark, not decoded."""
        return self.target.partition("?")[2]


class Response:
    """The way back of one request. Sent by one thread at a time; `taken` and `leave` come from another."""

    def __init__(self, link: Link, number: int, on_over: Callable[[int], None]) -> None:
        self.has_left = False
        self.has_begun = False
        self.is_over = False
        self.on_change: Callable[[], None] = _nothing
        """Called, from any thread, when more may be sent or nothing is wanted any more."""
        self._link = link
        self._number = number
        self._on_over = on_over
        self._unsent_bytes = 0
        self._changed = threading.Condition()

    @property
    def may_send(self) -> bool:
        """Whether the client keeps up."""
        return self._unsent_bytes < WINDOW_BYTES or self.has_left

    def wait(self) -> None:
        """Wait until the client keeps up. Raises ClientLeft."""
        with self._changed:
            self._changed.wait_for(lambda: self.may_send)
        if self.has_left:
            raise ClientLeft

    def send(self, body: Any, *, is_last: bool, status: int = 0, headers: Headers = ()) -> None:
        """Send a part; the first has a status. Raises ClientLeft, ValueError for a header that cannot be sent."""
        if self.has_left:
            raise ClientLeft
        header: dict[str, Any] = {"k": self._number, "f": is_last}
        if status:
            _check(headers)
            header["s"], header["h"] = status, [list(one) for one in headers]
            self.has_begun = True
        packed = self._link.packed()
        header["t"] = wire.pack_data(packed, body)
        with self._changed:
            self._unsent_bytes += len(body)
        if is_last:
            self._over()
        self._link.send(wire.PART, header, packed)

    def fail(self, what: str, error: BaseException) -> None:
        """End it for something that the application has raised, which only the log is told."""
        if isinstance(error, ClientLeft):
            self.abandon()
            return
        self._link.log_error(what, error)
        if self.is_over:
            return
        if self.has_begun:
            self._over()
            self._link.send(wire.PART, {"k": self._number, "f": True, "cut": True})
        elif not self.has_left:
            self.send(
                b"Internal Server Error",
                is_last=True,
                status=500,
                headers=[("content-type", "text/plain; charset=utf-8"), ("content-length", "21")],
            )

    def abandon(self) -> None:
        """End it because nobody waits for it."""
        if not self.is_over:
            self._over()
            self._link.send(wire.PART, {"k": self._number, "f": True, "cut": True})

    def taken(self, size: int) -> None:
        """Note that so much has left for the client."""
        with self._changed:
            self._unsent_bytes -= size
            self._changed.notify_all()
        self.on_change()

    def leave(self) -> None:
        """Note that the client has gone."""
        with self._changed:
            self.has_left = True
            self._changed.notify_all()
        self.on_change()

    def _over(self) -> None:
        self.is_over = True
        self._on_over(self._number)
        self.on_change()


def _check(headers: Headers) -> None:
    for name, value in headers:
        if not name or any(end in name or end in value for end in _HEADER_ENDS):
            raise ValueError(f"the response's header {name!r} cannot be sent, because of a line break or a NUL in it")


def _nothing() -> None:
    pass
