"""A servicer of few words, and our transport serving it in a thread."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from naiad.wire.grpc.call import Call
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options

WAIT_S = 30.0
MESSAGE = "größer als 100 %\n"


class Echo:
    """`Serve`, by the last word of the method."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        """What happened, for the test's thread: cancel, end."""
        self.running: list[Call] = []

    def __call__(self, call: Call) -> None:
        known: dict[str, Callable[[Call], None]] = {
            "Echo": self.echo,
            "Fail": self.fail,
            "Never": self.never,
            "Count": self.count,
            "Early": lambda call: call.finish("FAILED_PRECONDITION", "not today"),
            "Metadata": self.metadata,
            "Later": self.later,
            "Packed": self.packed,
        }
        serve = known.get(call.method.rpartition("/")[2])
        if serve is None:
            call.finish("UNIMPLEMENTED", f"no method {call.method}")
        else:
            serve(call)

    def echo(self, call: Call) -> None:
        """Every message back."""
        call.on_message = call.send
        call.on_end = call.finish

    def fail(self, call: Call) -> None:
        call.on_message = lambda _: call.finish("NOT_FOUND", MESSAGE)

    def never(self, call: Call) -> None:
        """No answer; the first message is acknowledged by an event."""
        self.running.append(call)
        call.on_message = lambda message: self.events.put(("message", message))
        call.on_cancel = lambda: self.events.put(("cancel", call.method))

    def count(self, call: Call) -> None:
        """As many messages as asked for, of 1,000 bytes each."""

        def on_message(message: bytes) -> None:
            for number in range(int(message)):
                call.send(b"%1000d" % number)
            call.finish()

        call.on_message = on_message

    def metadata(self, call: Call) -> None:
        def on_message(_: bytes) -> None:
            chosen = {key: value for key, value in call.metadata.items() if key.startswith("x-")}
            call.send(repr(sorted(chosen.items())).encode())
            call.finish()

        call.on_message = on_message

    def packed(self, call: Call) -> None:
        """Every message back, compressed; the level is metadata."""
        call.compress(call.metadata["x-level"])
        self.echo(call)

    def later(self, call: Call) -> None:
        """Answer after the turn of the loop in which the request came."""
        loop = asyncio.get_running_loop()

        def answer(message: bytes) -> None:
            call.send(message)
            call.finish()

        call.on_message = lambda message: loop.call_soon(answer, message) and None


class Served:
    """A listener in its thread."""

    def __init__(self, echo: Echo, listener: Http2Listener, loop: asyncio.AbstractEventLoop) -> None:
        self.echo = echo
        self.listener = listener
        self.loop = loop
        self.address = f"127.0.0.1:{listener.port}"

    def run(self, call: Callable[[], Any]) -> Any:
        """Call a function on the loop's thread and return what it gives."""

        async def step() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(step(), self.loop).result(WAIT_S)

    def wait(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine on the server's loop to its end."""
        asyncio.run_coroutine_threadsafe(make(), self.loop).result(WAIT_S)

    def close(self) -> None:
        self.wait(self.listener.close)

    def wait_closed(self) -> None:
        self.wait(self.listener.wait_closed)


@contextmanager
def served(options: Http2Options | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    import uvloop

    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    echo = Echo()

    async def start() -> Http2Listener:
        listener = Http2Listener(echo, options)
        await listener.open(("127.0.0.1",), 0, "--grpc-port", tls)
        return listener

    try:
        running = Served(echo, asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S), loop)
        try:
            yield running
        finally:
            running.close()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
