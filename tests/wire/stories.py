"""Requests that are sent at given times to a model whose runs all take the same time: which ran together, and when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar


class Timed(Protocol):
    """A request of a story."""

    @property
    def name(self) -> str: ...

    @property
    def after(self) -> float:
        """Runs after the first request began."""
        ...


Request = TypeVar("Request", bound=Timed)


def story(
    requests: Sequence[Request], ask: Callable[[Request], tuple[int, Any]], run_s: float
) -> dict[str, tuple[int, Any, int]]:
    """By request: what `ask` gives, a status and more, and in which run it was answered, counted from 1; 0: in none."""
    found: dict[str, tuple[int, Any, float]] = {}
    begin = time.monotonic()

    def send(request: Request) -> None:
        time.sleep(max(0.0, begin + request.after * run_s - time.monotonic()))
        status, told = ask(request)
        found[request.name] = status, told, time.monotonic() if status == 200 else 0.0

    threads = [threading.Thread(target=send, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs: list[float] = []
    """When each began to answer."""
    for answered_s in sorted(answered_s for _, _, answered_s in found.values() if answered_s):
        if not runs or answered_s > runs[-1] + run_s / 2:
            runs.append(answered_s)
    return {
        name: (status, told, sum(run <= answered_s for run in runs))
        for name, (status, told, answered_s) in found.items()
    }


def executions(port: int, model: str, answered: int) -> Counter[int]:
    """How often a model ran, by batch size; once so many requests are counted, which Triton does behind the answer."""
    from harness.statistics import settled_statistics  # of the comparisons; whoever has a Triton can import it

    stats = settled_statistics(port, model, answered)
    return Counter({row["batch_size"]: row["compute_infer"]["count"] for row in stats["batch_stats"]})
