"""Threads that take turns: who goes on, and who is told that nobody wants the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from naiad.core.errors import Cancelled
from naiad.core.machine.turnstile import Turnstile, pause


def started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def wanted() -> bool:
    return True


class Worker:
    """Does one share for every `go`, in turns, and notes its name."""

    def __init__(self, name: str, turnstile: Turnstile, log: list[str], shares: int) -> None:
        self._log, self._name, self._turnstile, self._shares = log, name, turnstile, shares
        self.go = threading.Semaphore(0)
        self.did = threading.Semaphore(0)
        self.thread = started(self._work)

    def _work(self) -> None:
        with self._turnstile.passed(wanted):
            for share in range(self._shares):
                if share:
                    pause()
                self._log.append(self._name)
                self.did.release()
                self.go.acquire(timeout=10)


def until_line(turnstile: Turnstile, length: int) -> None:
    deadline = threading.Event()
    timer = threading.Timer(10, deadline.set)
    timer.start()
    while len(turnstile._line) != length:
        assert not deadline.is_set()
    timer.cancel()


def test_those_that_wait_go_in_turn() -> None:
    turnstile, log = Turnstile(), list[str]()
    workers = []
    for number, (name, shares) in enumerate((("a", 3), ("b", 2), ("c", 1))):
        workers.append(Worker(name, turnstile, log, shares))
        if number:
            until_line(turnstile, number)
        else:
            assert workers[0].did.acquire(timeout=10)
    for worker in workers:
        for _ in range(3):
            worker.go.release()
    for worker in workers:
        worker.thread.join(10)
    assert "".join(log) == "abcaba"
    assert turnstile._free == 1


def test_so_many_go_at_once() -> None:
    turnstile, log = Turnstile(2), list[str]()
    first, second = (Worker(name, turnstile, log, 1) for name in "ab")
    assert first.did.acquire(timeout=10)
    assert second.did.acquire(timeout=10)
    third = Worker("c", turnstile, log, 1)
    until_line(turnstile, 1)
    second.go.release()
    assert third.did.acquire(timeout=10)
    for worker in (first, third):
        worker.go.release()
        worker.thread.join(10)
    second.thread.join(10)
    assert turnstile._free == 2


def test_a_pause_elsewhere_is_nothing() -> None:
    pause()


def test_who_is_not_wanted_stops_and_lets_the_next_go_on() -> None:
    turnstile = Turnstile()
    with pytest.raises(Cancelled), turnstile.passed(lambda: False):
        pause()
    with turnstile.passed(wanted):
        pause()
    pause()
    assert turnstile._free == 1
