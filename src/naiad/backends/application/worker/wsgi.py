"""Runs a WSGI application (PEP 3333): each request in a thread of its own, so many at a time."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from naiad.backends.application.worker.exchanges import Request, Response
from naiad.core.machine.daemon_threads import DaemonThreads

Environ = dict[str, Any]

_PORTS = {"http": "80", "https": "443"}


class WsgiHandlers:
    """The threads of one application."""

    def __init__(self, application: Callable[..., Iterable[bytes]], threads: int, workers: int) -> None:
        """workers: processes in all."""
        self._application = application
        self._threads = DaemonThreads(threads, "handler")
        self._workers = workers

    def start(self) -> None:
        """Begin; there is nothing to do."""

    def begin(self, request: Request, response: Response) -> None:
        """Have a request answered."""
        self._threads.submit(self._run, request, response)

    def close(self, seconds: float) -> None:  # noqa: ARG002 - who waits for the reply has the clock
        """Wait for what runs."""
        self._threads.shutdown()

    def _run(self, request: Request, response: Response) -> None:
        what = f"{request.method} {request.target} failed"
        try:
            if response.has_left:
                response.abandon()
            else:
                _Answering(request, response).run(self._application, environ_of(request, self._workers))
        except BaseException as error:  # noqa: BLE001 - an application may raise anything, SystemExit included
            response.fail(what, error)


class _Answering:
    """One call of the application."""

    def __init__(self, request: Request, response: Response) -> None:
        self._response = response
        self._is_head = request.method == "HEAD"
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._has_written = False
        self._left: int | None = None
        """Bytes that are still to come, where the application has said how many."""
        self._is_over = False
        """All of the response has been sent; what the application still does, as in `close`, holds nobody up."""

    def run(self, application: Callable[..., Iterable[bytes]], environ: Environ) -> None:
        """Call the application and send what it gives."""
        result = application(environ, self.start_response)
        try:
            if isinstance(result, list | tuple) and not self._has_written:
                self._send(b"".join(result), is_last=True)
                return
            for data in result:
                if data and not self._is_over:
                    self._write(data)
                if self._is_head and self._is_over:
                    break
            self._send(b"", is_last=True)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        """See PEP 3333."""
        if exc_info is not None:
            try:
                if self._has_written:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status:
            raise AssertionError("start_response was called a second time without exc_info (PEP 3333)")
        code = status[:3]
        if not code.isdigit() or not 200 <= int(code) <= 999:
            raise ValueError(f"the application's status {status!r} is none; it begins with a number, such as '200 OK'")
        self._status, self._headers = int(code), [(str(name), str(value)) for name, value in headers]
        return self._write

    def _write(self, data: bytes) -> None:
        self._response.wait()
        self._send(data, is_last=False)

    def _send(self, data: bytes, *, is_last: bool) -> None:
        if not self._status:
            raise AssertionError("the application gave a body before it called start_response (PEP 3333)")
        if self._is_over:
            return
        if not self._has_written:
            said = [value for name, value in self._headers if name.lower() == "content-length"]
            self._left = int(said[0]) if said and said[0].isdigit() else None
            if is_last and not self._is_head and not said:
                self._headers = [*self._headers, ("Content-Length", str(len(data)))]
        if self._is_head:
            data, is_last = b"", True
        elif self._left is not None:
            self._left -= len(data)
            is_last = is_last or not self._left
        self._is_over = is_last
        if self._has_written:
            self._response.send(data, is_last=is_last)
        else:
            self._has_written = True
            self._response.send(data, is_last=is_last, status=self._status, headers=self._headers)


def environ_of(request: Request, workers: int) -> Environ:
    """Return the environ of a request. workers: processes that run the application."""
    server = request.server or ("localhost", 0)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": request.query,
        "REQUEST_URI": request.target,
        "RAW_URI": request.target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or _PORTS[request.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.0" if request.is_old else "HTTP/1.1",
        "SERVER_SOFTWARE": "naiad",
        "REMOTE_ADDR": request.client[0] if request.client else "",
        "REMOTE_PORT": str(request.client[1]) if request.client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": workers > 1,
        "wsgi.run_once": False,
    }
    if len(request.body):
        environ["CONTENT_LENGTH"] = str(len(request.body))
    for name, value in request.headers:
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding") and "_" not in name:
            environ["HTTP_" + name.upper().replace("-", "_")] = value  # names with _ could pass for others
    return environ
