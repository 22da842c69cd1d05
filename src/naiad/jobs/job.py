"""The nouns of jobs: what was asked for, how far it is, and what came of it. No I/O here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

INFER, GENERATE = "infer", "generate"
"""Forms of a request: a body as `/infer` takes it, or as `/generate` does."""


class JobState(StrEnum):
    """How far a job is. It goes down this list; a running one goes back to WAITING if its server ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Nothing happens any more, but that the job is forgotten in time."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client posted; run as it is, as often as need be."""

    model: str
    version: str
    """Empty: the highest that is ready when it runs."""
    form: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those that have a meaning for the request, names as they were sent."""
    callback: str = ""
    """URL that is told of the end; empty: none."""
    key: str = ""
    """The client's idempotency key; empty: none."""

    @property
    def size(self) -> int:
        """Bytes, for the bound on what is kept."""
        return len(self.body)

    @property
    def key_digest(self) -> str:
        """The idempotency key, of this model; empty: none."""
        return sha256(json.dumps([self.model, self.key]).encode()).hexdigest() if self.key else ""

    @property
    def fingerprint(self) -> str:
        """Digest of everything that the request is; equal for equal requests."""
        head = [self.model, self.version, self.form, sorted(self.headers.items()), self.callback]
        return sha256(json.dumps(head).encode() + b"\0" + self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class JobResult:
    """An answer as it is sent, of a job that is done."""

    content_type: str
    body: bytes
    header_length: str = ""
    """Value of `Inference-Header-Content-Length`, where tensors follow the JSON."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is told of a job; times are Unix seconds, 0 where it is not so far."""

    id: str
    model: str
    version: str
    state: JobState
    created_s: float
    started_s: float = 0.0
    """Of the last run."""
    finished_s: float = 0.0
    attempts: int = 0
    """Runs that were begun."""
    responses: int = 0
    """Answers that a decoupled model has given so far."""
    status: int = 0
    """HTTP status that /infer would have answered with, of a job that is over."""
    error: str = ""
    code: str = ""
    """The error's, see `naiad.core.errors`."""
    callback: str = ""
    is_new: bool = field(default=False, compare=False)
    """Of what was just submitted: no earlier job had its key."""

    @property
    def path(self) -> str:
        """Where it is found."""
        from urllib.parse import quote

        version = f"/versions/{self.version}" if self.version else ""
        return f"/v2/models/{quote(self.model, safe='')}{version}/jobs/{self.id}"

    def as_json(self) -> dict[str, Any]:
        """Return the document that clients get."""
        document: dict[str, Any] = {"id": self.id, "model_name": self.model, "state": str(self.state)}
        if self.version:
            document["model_version"] = self.version
        times = {"created": self.created_s, "started": self.started_s, "finished": self.finished_s}
        document |= {name: _time(seconds) for name, seconds in times.items() if seconds}
        document["attempts"] = self.attempts
        if self.responses:
            document["responses"] = self.responses
        if self.error:
            document |= {"error": self.error, "code": self.code, "status": self.status}
        if self.state is JobState.DONE:
            document["result"] = f"{self.path}/result"
        return document


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    state: JobState
    result: JobResult | None = None
    """Of DONE."""
    status: int = 200
    error: str = ""
    code: str = ""
    responses: int = 0


@dataclass(frozen=True, slots=True)
class Postponed:
    """The job could not be run now, and nothing is wrong with it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this server runs."""

    id: str
    attempt: int
    """Which run of it; who has an older one has lost it."""
    request: JobRequest
    waited_s: float = 0.0
    """Since it was accepted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback that is due."""

    job: Job
    left: int
    """Tries after this one."""


@dataclass(frozen=True, slots=True)
class ModelJobs:
    """How many jobs of one model there are."""

    waiting: int = 0
    running: int = 0
    oldest_s: float = 0.0
    """How long the oldest that waits has waited."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a store holds."""

    count: int = 0
    size: int = 0
    """Bytes of requests and results."""
    models: Mapping[str, ModelJobs] = field(default_factory=dict)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
