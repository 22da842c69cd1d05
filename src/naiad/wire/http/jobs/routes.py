"""The routes of jobs. Not in Triton. A request and its result are what `/infer` and `/generate` take and give.

An ID has 128 random bits, so that who has not been given it cannot find the job. Listing shows all of them; it is
closed unless the operator opens it, and can be restricted with the management of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from math import isfinite
from typing import Any
from urllib.parse import parse_qs

import orjson

from naiad.core.errors import InvalidRequest, NaiadError, NotFound, Unsupported
from naiad.core.settings.features import Feature
from naiad.jobs.job import GENERATE, INFER, Job, JobRequest, JobState
from naiad.jobs.keeper import Jobs
from naiad.protocol.limits import Limits
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import beside, internal_error, most_read_bytes, safe, send_json
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.infer import InferHandler
from naiad.wire.http.jobs.reading import check_request, read_request
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services

LONGEST_WAIT_S = 60.0
MOST_LISTED = 1000

_JSON = b"application/json"
_LATER = b"Retry-After: 1\r\n"
_OFF = "this server takes no jobs; start it with --jobs FOLDER, or --jobs redis://HOST"


def job_routes(model: str, services: Services, limits: Limits, forwarding: Forwarding | None) -> list[Route]:
    """Return the routes. model: the pattern of a model's path."""
    handler = _Handler(services, limits, forwarding)
    one = model + r"/jobs/(?P<job_id>[^/]+)"
    post = {form: safe(partial(handler.post, form=form)) for form in (INFER, GENERATE)}
    return [
        route(model + "/jobs", Feature.INFERENCE, POST=post[INFER]),
        route(model + "/jobs/generate", Feature.INFERENCE, POST=post[GENERATE]),
        route(one, Feature.INFERENCE, GET=safe(handler.get), DELETE=safe(handler.delete)),
        route(one + "/result", Feature.INFERENCE, GET=safe(handler.result)),
        route("/v2/jobs", Feature.MODEL_REPOSITORY, GET=safe(handler.list)),
    ]


class _Handler:
    def __init__(self, services: Services, limits: Limits, forwarding: Forwarding | None) -> None:
        self._services, self._limits, self._forwarding = services, limits, forwarding
        self._engine = services.engine
        self._infer = InferHandler(self._engine, limits, forwarding)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _jobs(self) -> Jobs:
        jobs = self._services.jobs
        if jobs is None:
            raise Unsupported(_OFF)
        return jobs

    def post(self, exchange: Exchange, model: str, version: str = "", *, form: str) -> None:
        """Take a job: 202 when it is durable."""
        jobs = self._jobs
        served = self._engine.route(model, version)
        request = read_request(exchange, model, version, form, self._forwarding)
        if request.callback:
            jobs.telling.allowed.target(request.callback)

        def go_on(outcome: NaiadError | None) -> None:
            if outcome is not None:
                exchange.refuse(outcome)
            else:
                self._later(exchange, self._submit(exchange, jobs, request))

        check = partial(check_request, self._infer, request, served, self._limits)
        beside(self._engine.worker, exchange, most_read_bytes(exchange), check, go_on)

    async def _submit(self, exchange: Exchange, jobs: Jobs, request: JobRequest) -> None:
        job = await jobs.submit(request)
        exchange.body = b""
        exchange.answer(202, orjson.dumps(job.as_json()), _JSON, b"Location: %b\r\n" % job.path.encode())

    def get(self, exchange: Exchange, model: str, job_id: str, version: str = "") -> None:
        """Tell how far a job is; with `?wait_s=`, when it is over or after so long."""
        jobs, wait_s = self._jobs, _wait_s(exchange.url)

        async def answer() -> None:
            job = await _find(jobs, model, version, job_id, wait_s)
            send_json(exchange, job.as_json() | ({"responses": count} if (count := jobs.responses(job)) else {}))

        self._later(exchange, answer())

    def result(self, exchange: Exchange, model: str, job_id: str, version: str = "") -> None:
        """Answer as `/infer` would have; 202 with the job while it is not over."""
        jobs, wait_s = self._jobs, _wait_s(exchange.url)

        async def answer() -> None:
            job = await _find(jobs, model, version, job_id, wait_s)
            if not job.state.is_over:
                exchange.answer(202, orjson.dumps(job.as_json()), _JSON, _LATER)
                return
            if job.state is not JobState.DONE:
                exchange.answer(job.status, orjson.dumps({"error": job.error, "code": job.code}), _JSON)
                return
            result = await jobs.result(job_id)
            if result is None:
                raise _unknown(job_id)
            length = b"Inference-Header-Content-Length: %b\r\n" % result.header_length.encode()
            headers = length if result.header_length else b""
            exchange.answer(200, result.body, result.content_type.encode("latin-1"), headers)

        self._later(exchange, answer())

    def delete(self, exchange: Exchange, model: str, job_id: str, version: str = "") -> None:
        """Cancel a job that is not over; forget one that is, with its result."""
        jobs = self._jobs

        async def answer() -> None:
            await _find(jobs, model, version, job_id)
            was = await jobs.cancel(job_id)
            if was is None:
                raise _unknown(job_id)
            now = None if was.state.is_over else await jobs.find(job_id)
            send_json(exchange, was.as_json() | {"deleted": True} if now is None else now.as_json())

        self._later(exchange, answer())

    def list(self, exchange: Exchange) -> None:
        """List the newest jobs: `?model=…&state=…&limit=…`."""
        jobs = self._jobs
        if not jobs.lists:
            raise Unsupported("jobs are not listed, because their IDs give access to results; --jobs-listing allows it")
        query = _query(exchange.url, ("model", "state", "limit"))
        limit, state = query.get("limit", "100"), query.get("state", "")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= MOST_LISTED):
            raise InvalidRequest(f"'limit' must be a number from 1 to {MOST_LISTED}, not '{limit[:64]}'")
        if state and state not in list(JobState):
            raise InvalidRequest(f"'state' must be one of {', '.join(JobState)}, not '{state[:64]}'")

        async def answer() -> None:
            found = await jobs.list(query.get("model", ""), state, int(limit))
            send_json(exchange, {"jobs": [job.as_json() for job in found]})

        self._later(exchange, answer())

    def _later(self, exchange: Exchange, answer: Coroutine[Any, Any, None]) -> None:
        """Answer when the store has; what is asked of it is done even if the client goes."""
        task = asyncio.get_running_loop().create_task(_answering(exchange, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        exchange.on_abandon = task.cancel


async def _answering(exchange: Exchange, answer: Coroutine[Any, Any, None]) -> None:
    try:
        await answer
    except NaiadError as error:
        exchange.refuse(error)
    except Exception:  # noqa: BLE001 - whatever happens, who asked is answered
        internal_error(exchange)


async def _find(jobs: Jobs, model: str, version: str, job_id: str, wait_s: float = 0.0) -> Job:
    """Return a job of a model. Raises NotFound."""
    if len(job_id) != 32 or not job_id.isalnum() or not job_id.isascii():
        raise _unknown(job_id)
    job = await jobs.find(job_id, wait_s)
    if job is None or job.model != model or version not in ("", job.version):
        raise _unknown(job_id)
    return job


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"there is no job '{job_id[:64]}' of this model, or it is forgotten by now")


def _wait_s(url: bytes) -> float:
    text = _query(url, ("wait_s",)).get("wait_s", "0")
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not (isfinite(wait_s) and 0 <= wait_s <= LONGEST_WAIT_S):
        raise InvalidRequest(f"'wait_s' must be a number of seconds from 0 to {LONGEST_WAIT_S:g}, not '{text[:64]}'")
    return wait_s


def _query(url: bytes, known: tuple[str, ...]) -> dict[str, str]:
    query = parse_qs(url.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(query.keys() - set(known))
    if unknown:
        raise InvalidRequest(f"unknown parameter '{unknown[0][:64]}' of the query; known: {', '.join(known)}")
    return {name: values[-1] for name, values in query.items()}
