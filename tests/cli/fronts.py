"""What stands in front of a Hub in a closed network: an address with a certificate of one's own, and a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme


class Front:
    """Takes connections on loopback and hands each to `serve`, in a thread of its own."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def serve(self, client: socket.socket) -> None:
        """Serve one connection to its end."""
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with closing(client), suppress(OSError):
            self.serve(client)


class TlsFront(Front):
    """https://localhost in front of a plain server."""

    def __init__(self, target: str, folder: Path) -> None:
        super().__init__()
        self._target = _address(target)
        authority = trustme.CA()
        self.authority = folder / "company.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self.url = f"https://localhost:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """See `Front`."""
        with self._context.wrap_socket(client, server_side=True) as secure:
            _pipe(secure, socket.create_connection(self._target))


class Proxy(Front):
    """A forward proxy that knows one name, which nobody else does; it notes what it was asked for."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__()
        self._name, self._target = name, _address(target)
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []

    def serve(self, client: socket.socket) -> None:
        """See `Front`: requests in the absolute form (RFC 9112, 3.2.2), one connection for each."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := client.recv(65536)):
                return
            head += more
        line, _, rest = head.partition(b"\r\n")
        method, url, version = line.split(b" ")
        self.asked.append(url.decode())
        parts = urlsplit(url.decode())
        address = self._target if parts.hostname == self._name else (parts.hostname or "", parts.port or 80)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        fields, _, body = rest.partition(b"\r\n\r\n")
        kept = [one for one in fields.split(b"\r\n") if b"connection" not in one.partition(b":")[0].lower()]
        server = socket.create_connection(address)
        lines = [b"%b %b %b" % (method, path.encode(), version), *kept, b"Connection: close", b"", body]
        server.sendall(b"\r\n".join(lines))
        _pipe(client, server)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _pipe(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side has ended."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    with closing(other):
        back = threading.Thread(target=carry, args=[other, one], daemon=True)
        back.start()
        carry(one, other)
        back.join()
