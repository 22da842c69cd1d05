"""The worker's two receiving threads: orders come by one, what belongs to them by the other."""

from __future__ import annotations

import asyncio
import atexit
import socket
import threading
import traceback
from pathlib import Path
from typing import Any, Protocol

import orjson

from naiad.backends.application import wire
from naiad.backends.application.worker.exchanges import Request, Response
from naiad.backends.application.worker.finding import BadApplication, find, urls_of, websockets_of
from naiad.backends.application.worker.joining import Joining
from naiad.backends.application.worker.link import Link
from naiad.backends.python.worker.process import leave, prepare
from naiad.backends.python.worker.receiving import take_orders
from naiad.backends.python.worker.regions import Mapped
from naiad.backends.python.worker.tensors import Unpacked
from naiad.backends.python.worker.wire import Channel
from naiad.core.user_code import batched
from naiad.core.user_code.python_file import import_file
from naiad.core.user_code.web_kinds import ASGI, SERVER


class Handlers(Protocol):
    """Runs the requests of an application."""

    def start(self) -> None:
        """Make it ready. Raises BadApplication."""
        ...

    def begin(self, request: Request, response: Response) -> None:
        """Have a request answered; returns at once."""
        ...

    def close(self, seconds: float) -> None:
        """Wait for what runs, then let the application end."""
        ...


def main(run: int, side: int, parent: int) -> None:
    """Serve until the server says that it is over, or is gone."""
    prepare(parent, [run, side])
    channels = [Channel(socket.socket(fileno=one), orjson.dumps, orjson.loads) for one in (run, side)]
    worker = Worker(channels[0], Link(channels[1]))
    threading.Thread(target=_serve_side, args=[worker, channels[1]], name="server", daemon=True).start()
    take_orders(channels[0], worker.take_order)


def _serve_side(worker: Worker, side: Channel) -> None:
    """The server's end of the side channel is closed only when it wants this process to end."""
    try:
        while (message := side.receive()) is not None:
            worker.take_news(message)
            del message
    finally:
        leave(1)


class Worker:
    """One application in this process, or none yet."""

    def __init__(self, run: Channel, link: Link) -> None:
        self._run = run
        self._link = link
        self._orders, self._news = Mapped(is_writable=True), Mapped(is_writable=True)
        """Shared memory of what comes, by its channel."""
        self._handlers: Handlers | None = None
        self._joining: Joining | None = None
        self._responses: dict[int, Response] = {}

    def take_order(self, message: wire.Message) -> bool:
        """Carry out an order; False: it was the last."""
        kind, header = message.kind, message.header
        if kind == wire.REQUEST:
            self._begin(header, Unpacked(message, self._orders))
            return True
        if kind == wire.BATCH:
            assert self._joining is not None
            self._joining.take_batch(header, Unpacked(message, self._orders))
            return True
        try:
            reply = self._load(header) if kind == wire.LOAD else self._finalize(header)
        except BaseException as error:  # noqa: BLE001 — an application may raise anything, SystemExit included
            self._run.send(wire.FAILED, _failure(error))
        else:
            self._run.send(wire.DONE, reply)
        return kind == wire.LOAD

    def take_news(self, message: wire.Message) -> None:
        """Take what belongs to a request or a call that is under way."""
        kind, header = message.kind, message.header
        if kind == wire.RESULT:
            assert self._joining is not None
            self._joining.take_result(header, Unpacked(message, self._news))
        elif (response := self._responses.get(header["k"])) is None:
            return
        elif kind == wire.TAKEN:
            response.taken(header["n"])
        elif kind == wire.LEFT:
            response.leave()

    def _begin(self, header: dict[str, Any], unpacked: Unpacked) -> None:
        assert self._handlers is not None
        number, row = header["k"], header["t"]
        body = b"" if row is None else memoryview(unpacked.array(row))
        response = self._responses[number] = Response(self._link, number, self._forget)
        self._handlers.begin(Request.of(header["w"], body), response)

    def _forget(self, number: int) -> None:
        self._responses.pop(number, None)

    def _load(self, header: dict[str, Any]) -> dict[str, Any]:
        path = Path(header["path"])
        application, kind = find(import_file(path), path, header["name"])
        if kind == SERVER:
            return {"facts": {"kind": kind}}
        functions = batched.functions()
        self._handlers = _handlers(application, kind, header["threads"], header["workers"])
        run = getattr(self._handlers, "run", asyncio.run)
        self._joining = Joining(self._link, functions, run)
        self._handlers.start()
        batched.run_with(self._joining)
        told = [
            {"name": one.name, "rows": one.max_batch_size, "wait_ms": one.max_wait_ms, "instances": one.instances}
            for one in functions
        ]
        facts = {"kind": kind, "urls": urls_of(application), "websockets": websockets_of(application)}
        return {"facts": {**facts, "functions": told}}

    def _finalize(self, header: dict[str, Any]) -> dict[str, Any]:
        if self._handlers is not None:
            self._handlers.close(header.get("seconds", 3600.0))
        atexit._run_exitfuncs()
        return {}


def _handlers(application: Any, kind: str, threads: int, workers: int) -> Handlers:
    if kind == ASGI:
        from naiad.backends.application.worker.asgi import AsgiHandlers

        return AsgiHandlers(application, threads)
    from naiad.backends.application.worker.wsgi import WsgiHandlers

    return WsgiHandlers(application, threads, workers)


def _failure(error: BaseException) -> dict[str, Any]:
    """Say why there is no application, and where that was."""
    if isinstance(error, BadApplication):
        return {"error": str(error), "traceback": ""}
    shown = "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        hint = f"; install it beside Naiad: pip install {missing}"
        return {"error": f"it cannot be imported: there is no module '{error.name}'{hint}", "traceback": shown}
    return {"error": f"it cannot be imported: {type(error).__name__}: {error}", "traceback": shown}
