"""What is sent about jobs, and how its answers are read; no waiting here, so both clients share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

import naiad.client.metadata as meta
from naiad.client.calls import Call, Options, Reply, infer_call, read_inference, understanding
from naiad.client.errors import from_answer
from naiad.client.events import Events
from naiad.client.result import Result
from naiad.client.values import to_tensors

POLL_S = 20.0
"""How long one question waits for the end of a job, at most."""

OVER = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is."""

    id: str
    state: str
    """waiting, running, done, failed or cancelled."""
    attempts: int = 0
    """Runs that were begun; more than one if a server ended meanwhile."""
    responses: int = 0
    """Answers of a decoupled model so far."""
    error: str = ""
    """Why it failed."""
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All that the server says, times among it."""

    @property
    def is_over(self) -> bool:
        """Nothing more happens."""
        return self.state in OVER


def submit(
    model: meta.ModelMetadata, path: str, inputs: Mapping[str, Any], options: Options, callback: str, key: str
) -> tuple[Call[JobStatus], frozenset[str]]:
    """Leave a request to be run later; also which outputs come back without the dimension that no input had.

    Raises InvalidRequest for an input that the model does not have or that does not suit it.
    """
    tensors, lone_outputs = to_tensors(inputs, model)
    headers = {name: value for name, value in (("Job-Callback", callback), ("Idempotency-Key", key)) if value}
    return infer_call(f"{path}/jobs", tensors, options, _read_status, headers), lone_outputs


def status(path: str, job_id: str, wait_s: float = 0.0) -> Call[JobStatus]:
    """Ask how far a job is; wait_s: the server answers when it is over, or after so long."""
    query = f"?wait_s={wait_s:g}" if wait_s else ""
    return Call("GET", f"{path}/jobs/{job_id}{query}", _read_status)


def cancel(path: str, job_id: str) -> Call[JobStatus]:
    """Cancel a job, or forget one that is over."""
    return Call("DELETE", f"{path}/jobs/{job_id}", _read_status)


def results(
    model: meta.ModelMetadata, path: str, job_id: str, lone_outputs: frozenset[str]
) -> Call[list[Result] | None]:
    """Ask for what came of a job; None while it is not over. The call raises the error that it failed with."""

    def read(reply: Reply) -> list[Result] | None:
        if reply.status == 202:
            return None
        if reply.status == 200 and reply.body[:1] != b"{":
            asked = Events(("GET", reply.address), b"", model, lone_outputs)
            lines = reply.body.decode().splitlines()
            found = (asked.read(line, reply.address) for line in lines)
            return [result for result in found if result is not None]
        return [read_inference(reply, lone_outputs)]

    return Call("GET", f"{path}/jobs/{job_id}/result", read)


def _read_status(reply: Reply) -> JobStatus:
    if reply.status not in (200, 202):
        raise from_answer(reply.status, reply.body, reply.address)
    with understanding(reply):
        document = orjson.loads(reply.body)
        return JobStatus(
            str(document["id"]),
            str(document["state"]),
            int(document.get("attempts", 0)),
            int(document.get("responses", 0)),
            str(document.get("error", "")),
            document,
        )
