"""One worker process as the server sees it, from its start to its end.

A thread of its own listens to what comes by itself: what the model prints, the end of the process, and messages of the
side channel until an event loop reads these. Orders and their replies are the business of whoever gives them.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from naiad.backends.python.launching import Launch, start
from naiad.backends.python.readers import Readers
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.forms import Read, Written
from naiad.backends.python.worker.regions import Mapped, Owned
from naiad.backends.python.worker.tensors import Unpacked
from naiad.backends.python.writer import Make, Writer
from naiad.core.clock import monotonic

LONGEST_LINE = 8192
"""Bytes of a printed line that stay one line of the log."""

_CLOSING_MS = 1000
"""Between the end of its connections and that of the process, by far."""

_LOADING_S = 1.0
"""Between two looks whether there is to be a tick."""

_END_S = 10.0
"""What a killed process needs to be gone by far."""

_log = logging.getLogger("naiad.model")

Handle = Callable[["WorkerProcess", wire.Message], None]


class WorkerProcess:
    """A running worker."""

    def __init__(self, launch: Launch, name: str, handle: Handle) -> None:
        """name: the instance's. handle: gets what comes by the side channel. Raises OSError."""
        self.name = name
        self._started = start(launch)
        self.pid = self._started.process.pid
        self.run, self.side = self._started.run, self._started.side
        self.owned, self.mapped = Owned(), Mapped(is_writable=False)
        """Shared memory of the run channel."""
        self.written, self.forms = Written(), Read()
        """Forms of requests, and of answers."""
        self.side_owned, self.side_mapped = Owned(), Mapped(is_writable=False)
        self.reason = ""
        """Why the server has ended it; empty where it ended by itself."""
        self.last_words = ""
        """The last line that it has printed."""
        self.gone = threading.Event()
        self.settled = threading.Event()
        """By the supervisor: it is decided whether it is in service."""
        self._on_tick: Callable[[], None] = _nothing
        self._handle = handle
        self._tick_s = 0.0
        self._line = b""
        self.readers = Readers()
        self._writer = Writer(f"{name}-answers")
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        """Readable when the loop has something for the listening thread."""
        self._moves = False
        """The side channel is to be read by the loop, or the loop has left something of it to the thread."""
        self._left: wire.Message | None = None
        """A message of the side channel that takes long; the loop reads no other meanwhile."""
        self._side_ended = False

    def tick(self, call: Callable[[], None], seconds: float) -> None:
        """Have something called from time to time, on the listening thread; to be said before it is `settled`."""
        self._on_tick, self._tick_s = call, seconds

    def listen(self) -> None:
        """Listen until the process has ended and all that it left has been read; for a thread of its own."""
        started = self._started
        output, side, end = started.output, self.side.connection.fileno(), started.pidfd
        poller = select.poll()
        for one in (output, side, end, self._wake):
            poller.register(one, select.POLLIN)
        ended, ticked_s = False, monotonic()
        while not ended:
            pause_s = self._tick_s if self.settled.is_set() else _LOADING_S
            events = dict(poller.poll(pause_s * 1000 or None))
            if output in events and not self._read_output():
                poller.unregister(output)
            if side in events and not self._read_side():
                poller.unregister(side)
                self.end()
            if self._wake in events:
                with suppress(KeyError):  # the loop reads it already
                    poller.unregister(side)
                self._serve_loop()
            if self._tick_s and monotonic() - ticked_s >= self._tick_s:
                ticked_s = monotonic()
                self._on_tick()
            ended = end in events
        self._finish()

    def read_on_loop(self) -> None:
        """Have the loop that reads the run channel read the side channel, too; on its thread."""
        self._moves = True
        os.eventfd_write(self._wake, 1)

    def kill(self, reason: str) -> None:
        """End it and all its children now; from any thread."""
        self.reason = self.reason or reason
        if not self.gone.is_set():
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill a worker that has closed its end of a connection, unless it ends by itself, which is waited for."""
        if not self.gone.is_set() and not _has_ended(self._started.pidfd):
            self.kill("it closed its connection to the server")

    def wait_gone(self) -> str:
        """Wait for the end of a process that is ending, or kill it, and say how it ended."""
        if not self.gone.wait(_END_S):
            self.kill("it did not end")
            self.gone.wait(_END_S)
        return self.ending

    @property
    def ending(self) -> str:
        """How it ended, in words; once it has."""
        status = self._started.process.returncode
        if self.reason:
            return self.reason
        if status is None:
            return "it does not answer"
        if status >= 0:
            return f"it exited with status {status}"
        with suppress(ValueError):
            return f"it was ended by {signal.Signals(-status).name}"
        return f"it was ended by signal {-status}"

    def write(self, kind: int, make: Make, *, is_order: bool = False, is_long: bool = False) -> None:
        """Have a message sent, from any thread, without waiting for the worker to read.

        is_order: by the run channel, to a worker that waits for it there. is_long: filling in the tensors takes long.
        """
        channel, owned = (self.run, self.owned) if is_order else (self.side, self.side_owned)
        self._writer.write(channel, owned, kind, make, is_long=is_long)

    def unpack_side(self, message: wire.Message) -> Unpacked:
        """Open the tensors of a message of the side channel; where that is read."""
        return Unpacked(message, self.side_mapped)

    def _serve_loop(self) -> None:
        """Do what the loop has left to this thread, and have it read again."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        self._deal_with_left()
        if self._side_ended:
            self.end()
        elif self._moves and self.readers.loop is not None:
            self._moves = False
            with suppress(RuntimeError):  # the loop is closed
                self.readers.loop.call_soon_threadsafe(self._add_side)

    def _add_side(self) -> None:
        descriptor = self.side.connection.fileno()
        if descriptor >= 0:
            self.readers.add(descriptor, self._side_readable)

    def _side_readable(self) -> None:
        """Take one message, on the loop; what takes long, or is the last, is the listening thread's."""
        message = self._receive_side()
        if message is not None and not message.is_long:
            self._take(message)
            return
        self.readers.remove(self.side.connection.fileno())
        self._left, self._side_ended = message, message is None
        self.read_on_loop()

    def _deal_with_left(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            self._take(left)

    def _read_side(self) -> bool:
        message = self._receive_side()
        if message is not None:
            self._take(message)
        return message is not None

    def _receive_side(self) -> wire.Message | None:
        """Return the next message; None: there will be none."""
        try:
            return self.side.receive()
        except BlockingIOError:
            raise
        except OSError:
            return None
        except wire.Garbled as error:
            self._refuse(error)
            return None

    def _take(self, message: wire.Message) -> None:
        try:
            self._handle(self, message)
        except wire.Garbled as error:
            self._refuse(error)

    def _refuse(self, error: wire.Garbled) -> None:
        _log.error("%s: the worker sent something that makes no sense: %s", self.name, error)
        self.kill("it sent something that makes no sense")

    def _read_output(self) -> bool:
        data = os.read(self._started.output, 65536)
        *lines, self._line = (self._line + data).split(b"\n")
        while len(self._line) > LONGEST_LINE:
            lines.append(self._line[:LONGEST_LINE])
            self._line = self._line[LONGEST_LINE:]
        if not data and self._line:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.last_words = text.strip() or self.last_words
            _log.info("%s: %s", self.name, text)
        return bool(data)

    def _finish(self) -> None:
        """Read what is left, then close everything, which wakes whoever waits for a reply."""
        os.set_blocking(self._started.output, False)
        with suppress(BlockingIOError):
            while self._read_output():
                pass
        self.readers.close()
        self._deal_with_left()
        self.side.connection.setblocking(False)
        with suppress(BlockingIOError):
            while self._read_side():
                pass
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)  # children that it has left; its number is its own until `wait`
        self._started.process.wait()
        self.gone.set()
        for one in (self.run, self.side):
            with suppress(OSError):
                one.connection.shutdown(socket.SHUT_RDWR)
        self._writer.end()

    def close(self) -> None:
        """Let go of everything; once it is gone and nobody waits for it."""
        self._writer.join()
        self._started.close()
        os.close(self._wake)
        self.owned.close()
        self.side_owned.close()


def _has_ended(pidfd: int) -> bool:
    """Whether a process that has closed its connections is ending."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(_CLOSING_MS))


def _nothing() -> None:
    pass
