"""What makes a worker process end when it should, and not before."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def prepare(parent: int, descriptors: list[int]) -> None:
    """Die with the server, be the first to go when memory is short, leave a traceback when the interpreter crashes.

    descriptors: those that no other program may get, and no child.
    """
    _die_with(parent)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    faulthandler.enable(sys.stderr)
    for one in descriptors:
        os.set_inheritable(one, False)

    def after_fork() -> None:
        for one in descriptors:
            with suppress(OSError):
                os.close(one)
        if is_main[0]:
            _die_with(os.getppid())

    is_main = [True]

    def before_fork() -> None:
        # A child dies with the thread that made it, so that only those of the main thread may be bound to it.
        import threading

        is_main[0] = threading.current_thread() is threading.main_thread()

    os.register_at_fork(before=before_fork, after_in_child=after_fork)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave(status: int) -> None:
    """End at once: threads that the model has left running keep nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _die_with(parent: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
