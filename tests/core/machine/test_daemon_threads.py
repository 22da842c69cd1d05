"""Threads that run what blocks, and let the process end all the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from naiad.core.machine.daemon_threads import DaemonThreads


def test_work_is_done_and_what_it_raises_comes_back() -> None:
    with DaemonThreads(2, "test") as threads:
        assert list(threads.map(lambda number: 2 * number, range(50))) == list(range(0, 100, 2))
        with pytest.raises(ZeroDivisionError):
            threads.submit(divmod, 1, 0).result()
        assert threads.submit(lambda *, a: a, a=5).result() == 5


def test_so_many_run_at_once_and_no_more() -> None:
    gate, running = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        gate.wait(20)

    threads = DaemonThreads(2, "test")
    futures = [threads.submit(work) for _ in range(3)]
    assert all(running.acquire(timeout=20) for _ in range(2))
    assert (threads.is_busy, [future.running() for future in futures]) == (True, [True, True, False])
    threads.shutdown(wait=False, cancel_futures=True)
    assert futures[2].cancelled()
    gate.set()
    wait(futures[:2], 20)
    assert not threads.is_busy
    with pytest.raises(RuntimeError, match="no work is taken any more"):
        threads.submit(work)


def test_a_thread_is_used_again() -> None:
    threads = DaemonThreads(8, "test")
    names = set()
    for _ in range(20):
        names.add(threads.submit(lambda: threading.current_thread().name).result())
    threads.shutdown()
    assert names <= {"test_1", "test_2"}, "the second where the first was not back in time"


def test_the_process_ends_while_one_works() -> None:
    program = (
        "import threading\n"
        "from naiad.core.machine.daemon_threads import DaemonThreads\n"
        "begun = threading.Event()\n"
        "DaemonThreads(1, 'test').submit(lambda: (begun.set(), threading.Event().wait()))\n"
        "begun.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
