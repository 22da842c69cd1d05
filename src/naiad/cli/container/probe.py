"""Asking a server whether it is live or ready, over HTTP or gRPC, with nothing but the standard library.

A probe runs every few seconds, beside the server and on its processor, so what it imports is what it costs. The gRPC
half writes the one call that it needs by hand: RFC 9113 (frames), RFC 7541 section 6.2.2 (fields that are not indexed).
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_LONGEST_FRAME = 2**14
_LONGEST_ANSWER = 2**16


class Unhealthy(Exception):
    """The server says no, or nothing."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to one server."""

    address: SplitResult
    """With scheme http, https, grpc or grpcs, host and port."""
    wants_ready: bool = True
    """Else: live."""
    timeout_s: float = 2.0
    """For the whole of it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent along; gRPC: as metadata."""
    tls: ssl.SSLContext | None = None
    """How to check the server's certificate, with https and grpcs."""

    def ask(self) -> None:
        """Ask; returns if the answer is yes. Raises Unhealthy with the reason."""
        end_s = time.monotonic() + self.timeout_s
        try:
            with self._connect() as connection:
                wire = _Wire(connection, end_s)
                if self.address.scheme.startswith("grpc"):
                    self._ask_grpc(wire)
                else:
                    self._ask_http(wire)
        except TimeoutError as error:
            raise Unhealthy(f"no answer within {self.timeout_s:g} s") from error
        except OSError as error:  # ssl.SSLError is one
            raise Unhealthy(f"cannot be reached: {error.strerror or error}") from error

    def _connect(self) -> socket.socket:
        host, port = self.address.hostname or "", self.address.port or 0
        connection = socket.create_connection((host, port), timeout=self.timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return connection
        if self.address.scheme == "grpcs":
            self.tls.set_alpn_protocols(["h2"])
        try:
            return self.tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise

    def _ask_http(self, wire: _Wire) -> None:
        path = f"/v2/health/{'ready' if self.wants_ready else 'live'}"
        fields = {"Host": self.address.netloc, "Connection": "close", **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        wire.send(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
        answer = wire.read_until(b"\r\n\r\n")
        line, _, rest = answer.partition(b"\r\n")
        words = line.split(b" ", 2)
        if not line.startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
            raise Unhealthy("what answers does not speak HTTP/1.1" if answer else "closed without an answer")
        if words[1] != b"200":
            body = (rest.partition(b"\r\n\r\n")[2] + wire.read_until(b"")).decode("utf-8", "replace").strip()
            raise Unhealthy(f"{path} answers {words[1].decode()}" + (f": {body[:200]}" if body else ""))

    def _ask_grpc(self, wire: _Wire) -> None:
        method = "ServerReady" if self.wants_ready else "ServerLive"
        fields = {
            ":method": "POST",
            ":scheme": "https" if self.tls else "http",
            ":path": f"/inference.GRPCInferenceService/{method}",
            ":authority": self.address.netloc,
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.lower(): value for name, value in self.headers.items()},
        }
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        no_message = bytes(5)
        wire.send(
            _PREFACE
            + _frame(_SETTINGS, 0, 0)
            + _frame(_HEADERS, _END_HEADERS, 1, block)
            + _frame(_DATA, _END_STREAM, 1, no_message)
        )
        message = _read_message(wire)
        # Both answers are one field: bool, number 1.
        if message != b"\0\0\0\0\2\x08\1":
            raise Unhealthy(f"{method} answers no" if message else f"{method} is refused, or this is no gRPC server")


class _Wire:
    """A connection, whose every wait ends at one time."""

    def __init__(self, connection: socket.socket, end_s: float) -> None:
        self._connection = connection
        self._end_s = end_s

    def send(self, data: bytes) -> None:
        self._limit()
        self._connection.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises Unhealthy at an early end."""
        found = b""
        while len(found) < size:
            self._limit()
            piece = self._connection.recv(size - len(found))
            if not piece:
                raise Unhealthy("the connection was closed before the answer")
            found += piece
        return found

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to a mark, to the end, or to what no answer of ours exceeds; no mark: no stop before those."""
        found = b""
        while len(found) < _LONGEST_ANSWER and not (mark and mark in found):
            self._limit()
            piece = self._connection.recv(_LONGEST_ANSWER)
            if not piece:
                break
            found += piece
        return found

    def _limit(self) -> None:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)


def _read_message(wire: _Wire) -> bytes:
    """Read frames up to the end of the call; gives its message with the five bytes before it, or nothing."""
    message = b""
    while True:
        head = wire.read(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if size > _LONGEST_FRAME:
            raise Unhealthy("what answers does not speak HTTP/2")
        payload = wire.read(size)
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            wire.send(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind in (_RST, _GOAWAY):
            return message
        elif stream == 1 and kind == _DATA:
            message += payload
            if len(message) > _LONGEST_ANSWER:
                raise Unhealthy("the answer has no end")
        if stream == 1 and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return message


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """A string as RFC 7541 section 5.2 has it, without Huffman's code."""
    data = text.encode("latin-1")
    if len(data) < 127:
        return bytes((len(data),)) + data
    head, rest = bytearray((127,)), len(data) - 127
    while rest >= 128:
        head.append(rest % 128 + 128)
        rest //= 128
    return bytes((*head, rest)) + data
