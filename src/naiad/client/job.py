"""A job that was submitted: watched, waited for, cancelled, fetched.

Its twin for asyncio, `job_aio.py`, is generated from this file.
"""

from __future__ import annotations

import time
from typing import Protocol

import naiad.client.jobs as jobs
import naiad.client.metadata as meta
from naiad.client.calls import Call, Value, model_path
from naiad.client.jobs import JobStatus
from naiad.client.result import Result
from naiad.core.errors import DeadlineExceeded, Failed, Unsupported

_PAUSE_S = 0.5
"""Before a server is asked again that does not let one wait, because it is stopping."""


class JobHost(Protocol):
    """Whom a job asks: the client that it comes from; methods are described there."""

    def send(self, call: Call[Value], timeout_s: float | None = None) -> Value: ...  # noqa: D102

    def model_metadata(self, name: str, version: str = "") -> meta.ModelMetadata: ...  # noqa: D102


class Job:
    """One job on a server, which goes on with it whether or not anybody waits here."""

    def __init__(
        self, host: JobHost, name: str, version: str, job_id: str, lone_outputs: frozenset[str] = frozenset()
    ) -> None:
        """lone_outputs: those that come back without the dimension that no input had."""
        self.host, self.name, self.version, self.id = host, name, version, job_id
        self._path = model_path(name, version)
        self._lone_outputs = lone_outputs

    def status(self) -> JobStatus:
        """How far it is. Raises NotFound for a job that is forgotten."""
        return self.host.send(jobs.status(self._path, self.id))

    def wait(self, timeout_s: float | None = None) -> JobStatus:
        """Return when it is over, however it ended. Raises DeadlineExceeded after timeout_s; the job goes on."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            began_s = time.monotonic()
            wait_s = jobs.POLL_S if until_s is None else min(jobs.POLL_S, max(0.0, until_s - began_s))
            status = self.host.send(jobs.status(self._path, self.id, round(wait_s, 3)), wait_s + 60.0)
            if status.is_over:
                return status
            now_s = time.monotonic()
            if until_s is not None and now_s >= until_s:
                raise DeadlineExceeded(
                    f"job {self.id} is {status.state} after {timeout_s:g} s; it goes on", job=self.id
                )
            if now_s - began_s < wait_s / 2:
                time.sleep(min(_PAUSE_S, wait_s))

    def result(self, timeout_s: float | None = None) -> Result:
        """Wait, and return the one answer. Raises the error that the job ended in, DeadlineExceeded after timeout_s."""
        found = self.results(timeout_s)
        if len(found) != 1:
            raise Unsupported(f"job {self.id} has {len(found)} answers, not one; ask for results()", job=self.id)
        return found[0]

    def results(self, timeout_s: float | None = None) -> list[Result]:
        """Wait, and return all answers, of which a decoupled model gives any number. Raises as `result`."""
        self.wait(timeout_s)
        model = self.host.model_metadata(self.name, self.version)
        found = self.host.send(jobs.results(model, self._path, self.id, self._lone_outputs))
        if found is None:
            raise Failed(f"job {self.id} is over, but its server says that it is not", job=self.id)
        return found

    def cancel(self) -> JobStatus:
        """Cancel it if it is not over; else forget it, with its result."""
        return self.host.send(jobs.cancel(self._path, self.id))
