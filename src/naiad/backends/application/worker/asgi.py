"""Runs an ASGI application (version 3, HTTP and lifespan) on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import unquote

from naiad.backends.application.worker.exchanges import ClientLeft, Request, Response
from naiad.backends.application.worker.finding import BadApplication
from naiad.backends.application.worker.lifespan import Lifespan

Message = dict[str, Any]
Application = Callable[..., Awaitable[None]]

_VERSION = {"version": "3.0", "spec_version": "2.4"}


class AsgiHandlers:
    """The event loop of one application."""

    def __init__(self, application: Application, threads: int) -> None:
        """threads: that plain functions of the application may use, where it runs them by anyio."""
        self._application = application
        self._threads = threads
        self.loop = asyncio.new_event_loop()
        self._lifespan = Lifespan(application)
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self.loop.run_forever, name="handlers", daemon=True).start()

    def start(self) -> None:
        """Start the application's lifespan. Raises BadApplication for one that refuses."""
        reason = self._on_loop(self._start())
        if reason is not None:
            raise BadApplication(f"the application's startup failed: {reason}")

    def begin(self, request: Request, response: Response) -> None:
        """Have a request answered."""
        self.loop.call_soon_threadsafe(self._begin, request, response)

    def close(self, seconds: float) -> None:
        """Wait for what runs, background tasks included, then end the lifespan."""
        self._on_loop(self._stop(seconds))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop, and wait for it; from another thread."""
        return self._on_loop(coroutine)

    def _on_loop(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def _start(self) -> str | None:
        try:
            from anyio import to_thread
        except ImportError:  # it is Starlette's; an application without it has no such threads
            pass
        else:
            to_thread.current_default_thread_limiter().total_tokens = self._threads
        return await self._lifespan.start()

    async def _stop(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self._lifespan.stop()

    def _begin(self, request: Request, response: Response) -> None:
        task = self.loop.create_task(self._run(request, response))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: Request, response: Response) -> None:
        what = f"{request.method} {request.target} failed"
        cycle = _Cycle(request, response)
        try:
            await self._application(scope_of(request, self._lifespan.state), cycle.receive, cycle.send)
            if not response.is_over:
                said = "sent no response" if not response.has_begun else "ended in the middle of its response"
                response.fail(what, RuntimeError(f"the application {said}"))
        except BaseException as error:  # noqa: BLE001 - an application may raise anything, SystemExit included
            response.fail(what, error)


class _Cycle:
    """One call of the application. Everything but `_wake` is the loop's."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request = request
        self._response = response
        self._has_read = False
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        response.on_change = self._wake

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            if not holds():
                await self._changed.wait()

    async def receive(self) -> Message:
        """Give the body, then the news that the client has gone or has all of the response."""
        response = self._response
        if not self._has_read:
            self._has_read = True
            return {"type": "http.request", "body": bytes(self._request.body), "more_body": False}
        await self._until(lambda: response.has_left or response.is_over)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the application. Raises OSError when the client has gone."""
        kind, response = message["type"], self._response
        if response.has_left:
            response.abandon()
            raise ClientLeft
        if kind == "http.response.start":
            if self._status:
                raise RuntimeError("the application has sent http.response.start before")
            self._status = int(message["status"])
            self._headers = [(_text(name), _text(value)) for name, value in message.get("headers", ())]
            return
        if kind != "http.response.body":
            raise RuntimeError(f"the application sent '{kind}'; http.response.start and .body are what there is")
        if not self._status:
            raise RuntimeError("the application has sent a body before http.response.start")
        if response.is_over:
            raise RuntimeError("the application has sent more after the end of its response")
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if self._request.method == "HEAD":
            body = b""
        if not body and not is_last and response.has_begun:
            return
        await self._until(lambda: response.may_send)
        send = partial(response.send, body, is_last=is_last)
        if response.has_begun:
            send()
        else:
            send(status=self._status, headers=self._headers)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def scope_of(request: Request, state: dict[str, Any] | None) -> Message:
    """Return the scope of a request. state: the lifespan's, if the application has one."""
    scope: Message = {
        "type": "http",
        "asgi": _VERSION,
        "http_version": "1.0" if request.is_old else "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote(request.path),
        "raw_path": request.path.encode("latin-1"),
        "query_string": request.query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers],
        "client": request.client,
        "server": request.server,
    }
    if state is not None:
        scope["state"] = state.copy()
    return scope
