"""Starting a worker process.

Linux ends a child that is to end with its parent when the thread that made it ends. So one thread, which lives as long
as this process, makes all of them.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from naiad.backends.python.worker import wire

WORKER = Path(__file__).parent / "worker"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker."""

    python: str
    """The interpreter: that of the server, or of the model's own environment."""
    variables: Mapping[str, str] = field(default_factory=dict)
    program: Path = WORKER
    """Folder with the worker's `__main__.py`, which takes two descriptors and the number of this process."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process that runs, and this process's ends of what leads to it."""

    process: subprocess.Popen[bytes]
    run: wire.Channel
    side: wire.Channel
    output: int
    """What it writes to stdout and stderr."""
    pidfd: int
    """Readable when it has ended."""

    def close(self) -> None:
        """Close all ends."""
        self.run.close()
        self.side.close()
        os.close(self.output)
        os.close(self.pidfd)


def start(launch: Launch) -> Started:
    """Start a worker. Raises OSError where there is no such interpreter, or no more processes or descriptors."""
    return _spawner().start(launch)


class _Spawner:
    """The thread that makes processes."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Launch, Future[Started]]] = SimpleQueue()
        threading.Thread(target=self._serve, name="naiad-workers", daemon=True).start()

    def start(self, launch: Launch) -> Started:
        future: Future[Started] = Future()
        self._work.put((launch, future))
        return future.result()

    def _serve(self) -> None:
        while True:
            launch, future = self._work.get()
            try:
                future.set_result(_start(launch))
            except Exception as error:  # noqa: BLE001 — who waits gets it, and this thread must live
                future.set_exception(error)
            del launch, future


@cache
def _spawner() -> _Spawner:
    return _Spawner()


def _start(launch: Launch) -> Started:
    import orjson

    (run, its_run), (side, its_side) = wire.pair(), wire.pair()
    output, its_output = os.pipe()
    process = None
    try:
        process = subprocess.Popen(  # noqa: S603  the model is the operator's, and so is its interpreter
            [launch.python, "-u", str(launch.program), str(its_run.fileno()), str(its_side.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=its_output,
            stderr=its_output,
            pass_fds=(its_run.fileno(), its_side.fileno()),
            env=dict(launch.variables),
            # A group alone would not do: code that asks the terminal for a password would be stopped for good.
            start_new_session=True,
        )
        channels = [wire.Channel(one, orjson.dumps, orjson.loads) for one in (run, side)]
        return Started(process, channels[0], channels[1], output, os.pidfd_open(process.pid))
    except BaseException:
        if process is not None:
            with suppress(OSError):
                process.kill()
            process.wait()
        run.close()
        side.close()
        os.close(output)
        raise
    finally:
        its_run.close()
        its_side.close()
        os.close(its_output)
