"""One worker process as the server sees it, from its start to its end.

A thread of its own listens to what comes by itself: messages of the side channel, what the model prints, the end of the
process. Orders and their replies are the business of whoever gives them.
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
from queue import SimpleQueue
from typing import Any

from naiad.backends.python.launching import Launch, start
from naiad.backends.python.worker import wire
from naiad.backends.python.worker.regions import Mapped, Owned
from naiad.backends.python.worker.tensors import Packed, Unpacked
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
Write = Callable[[], None]


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
        self._writes: SimpleQueue[Write | None] = SimpleQueue()
        self._writer: threading.Thread | None = None

    def tick(self, call: Callable[[], None], seconds: float) -> None:
        """Have something called from time to time, on the listening thread; to be said before it is `settled`."""
        self._on_tick, self._tick_s = call, seconds

    def listen(self) -> None:
        """Listen until the process has ended and all that it left has been read; for a thread of its own."""
        started = self._started
        output, side, end = started.output, self.side.connection.fileno(), started.pidfd
        poller = select.poll()
        for one in (output, side, end):
            poller.register(one, select.POLLIN)
        ended, ticked_s = False, monotonic()
        while not ended:
            pause_s = self._tick_s if self.settled.is_set() else _LOADING_S
            events = dict(poller.poll(pause_s * 1000 or None))
            if output in events and not self._read_output():
                poller.unregister(output)
            if side in events and not self._read_side():
                poller.unregister(side)
                if not _has_ended(end):
                    self.kill("it closed its connection to the server")
            if self._tick_s and monotonic() - ticked_s >= self._tick_s:
                ticked_s = monotonic()
                self._on_tick()
            ended = end in events
        self._finish()

    def kill(self, reason: str) -> None:
        """End it and all its children now; from any thread."""
        self.reason = self.reason or reason
        if not self.gone.is_set():
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

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

    def write(self, kind: int, make: Callable[[Packed], dict[str, Any]]) -> None:
        """Have a message sent by the side channel, from any thread, without waiting for the worker to read.

        make: fills in the tensors and returns the header; called in the thread that sends.
        """

        def write() -> None:
            packed = Packed(self.side_owned)
            with suppress(OSError):
                packed.send(self.side, kind, make(packed))

        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name=f"{self.name}-answers", daemon=True)
            self._writer.start()
        self._writes.put(write)

    def unpack_side(self, message: wire.Message) -> Unpacked:
        """Open the tensors of a message of the side channel; on the listening thread."""
        return Unpacked(message, self.side_mapped)

    def _write(self) -> None:
        while (write := self._writes.get()) is not None:
            write()
            del write

    def _read_side(self) -> bool:
        try:
            message = self.side.receive()
            if message is None:
                return False
            self._handle(self, message)
        except OSError:
            return False
        except wire.Garbled as error:
            _log.error("%s: the worker sent something that makes no sense: %s", self.name, error)
            self.kill("it sent something that makes no sense")
        return True

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
        self._writes.put(None)

    def close(self) -> None:
        """Let go of everything; once it is gone and nobody waits for it."""
        if self._writer is not None:
            self._writer.join(_END_S)
        self._started.close()
        self.owned.close()
        self.side_owned.close()


def _has_ended(pidfd: int) -> bool:
    """Whether a process that has closed its connections is ending."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(_CLOSING_MS))


def _nothing() -> None:
    pass
