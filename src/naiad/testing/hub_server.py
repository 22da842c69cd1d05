"""Sockets of the local Hub, and how one request is read, faulted and answered, whatever it asks for.

What there is to ask for is in `hub_answers`; the store and the public class are in `local_hub`.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from naiad.testing.local_hub import LocalHub

Route = tuple[str, re.Pattern[str], Callable[..., None]]
"""Method, pattern of the path, and the handler's method that takes the pattern's groups by name."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request, as it came."""

    method: str
    path: str
    """With the query, percent-decoded."""
    token: str
    """Bearer token, or empty."""
    range: str
    """`Range` header, or empty."""
    is_cdn: bool


class HubServer:
    """A listening socket with a thread; stop and start keep the port."""

    def __init__(self, hub: LocalHub, handler: type[HubHandler]) -> None:
        self._hub = hub
        self._handler = handler
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen; on the port of the last time, if any."""
        self._server = _Server(("127.0.0.1", self._port), self._handler)
        self._server.hub = self._hub
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Stop listening and break what is open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.break_connections()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: LocalHub

    def __init__(self, address: tuple[str, int], handler: type[HubHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of what is tested; no word on stderr."""

    def break_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster


class HubHandler(BaseHTTPRequestHandler):
    """Reads a request, notes it, lets it meet its fault, and hands it to its route."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    routes: ClassVar[list[Route]] = []

    def do_GET(self) -> None:
        """Called by the base class, as are the other methods of HTTP."""
        self._dispatch()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 (the base class's names for them)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name for it)
        """No log on stderr; `LocalHub.requests` is the log."""

    def _dispatch(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self._read_chunked() if "chunked" in self.headers.get("Transfer-Encoding", "") else b""
        self.body = self.body or self.rfile.read(length)
        path = unquote(self.path)
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        hub = self.server.hub
        hub.requests.append(
            ReceivedRequest(self.command, path, self.token, self.headers.get("Range", ""), path.startswith("/blobs/"))
        )
        fault = hub.take_fault(path, ("status",))
        if fault is not None:
            self.answer(fault.status, {"error": "a fault was asked for"}, fault.headers)
            return
        method = "GET" if self.command == "HEAD" else self.command
        for wanted, pattern, answer in self.routes:
            match = pattern.fullmatch(urlsplit(path).path)
            if wanted == method and match:
                answer(self, **match.groupdict())
                return
        self.answer(404, {"error": f"the local hub has no route {self.command} {path}"})

    def _read_chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    # -- answers ------------------------------------------------------------------------------------------------------

    def answer(self, status: int, document: object = None, headers: dict[str, str] | None = None) -> None:
        """Send a JSON document."""
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a body; to HEAD only its headers."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        """Send an error in the Hub's form."""
        self.answer(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def send_file(self, name: str, content: bytes, headers: dict[str, str]) -> None:
        """A body with ranges, and with the faults that bodies can have."""
        start = int(match[1]) if (match := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        if start and start >= len(content):
            self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        ranges = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        fault = self.server.hub.take_fault(name, ("cut", "stall", "corrupt")) if self.command == "GET" else None
        if fault is not None and fault.kind == "corrupt":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault is not None and fault.kind in ("cut", "stall"):
            self.close_connection = True
            headers = {**headers, "Content-Length": str(len(content) - start)}
            self.send(206 if start else 200, content[start : start + fault.after_bytes], {**headers, **ranges})
            if fault.kind == "stall":
                self.server.hub.is_stalled.set()
                self.server.hub.goes_on.wait()
            return
        self.send(206 if start else 200, content[start:], {**headers, **ranges})
