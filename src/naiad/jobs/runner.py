"""What the keeper of jobs needs to have one run; `naiad.wire.http.jobs.running` is it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from naiad.jobs.job import JobRequest, Outcome, Postponed


class Run(Protocol):
    """A job under way."""

    responses: int
    """Answers so far."""

    def cancel(self) -> None:
        """Withdraw it; it ends all the same, by a call of `done`, if it has not yet."""
        ...


class Runner(Protocol):
    """Runs what is in a job; used on the event loop's thread."""

    def models(self) -> Iterable[str]:
        """Names of the models that can answer now."""
        ...

    def start(self, request: JobRequest, done: Callable[[Outcome | Postponed], None]) -> Run:
        """Send a job on its way; `done` is called once, on the loop, possibly before this returns."""
        ...
