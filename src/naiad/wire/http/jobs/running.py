"""Runs jobs as their requests would be run if they came now: by the handlers of `/infer` and `/generate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from naiad.core.errors import NaiadError
from naiad.jobs.job import GENERATE, INFER, JobRequest, Outcome, Postponed
from naiad.jobs.runner import Run
from naiad.protocol.limits import Limits
from naiad.serving.engine import Engine
from naiad.serving.readiness import can_answer
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.answering import internal_error
from naiad.wire.http.generate import GenerateHandler
from naiad.wire.http.infer import InferHandler
from naiad.wire.http.jobs.exchange import JobExchange
from naiad.wire.waiting import Waiting


class HttpRunner:
    """See `naiad.jobs.runner.Runner`."""

    def __init__(
        self, engine: Engine, limits: Limits, forwarding: Forwarding | None, waiting: Waiting, most_bytes: int
    ) -> None:
        """most_bytes: of a result."""
        self._engine, self._waiting, self._most_bytes = engine, waiting, most_bytes
        self._handlers: dict[tuple[str, bool], Callable[..., None]] = {
            (form, streams): handler(engine, limits, forwarding, streams=streams)
            for form, handler in ((INFER, InferHandler), (GENERATE, GenerateHandler))
            for streams in (False, True)
        }

    def models(self) -> Iterable[str]:
        """See `Runner.models`."""
        if self._engine.is_stopping or self._engine.catalog.refusal:
            return ()
        return {model.name for model in self._engine.catalog.models() if can_answer(model)}

    def start(self, request: JobRequest, done: Callable[[Outcome | Postponed], None]) -> Run:
        """See `Runner.start`."""
        try:
            model = self._engine.route(request.model, request.version)
            exchange = JobExchange(request, self._waiting, self._most_bytes, done)
        except NaiadError as error:  # it is loaded anew, or too much waits
            done(Postponed(error.message))
            return _NoRun()
        try:
            self._handlers[request.form, model.config.is_decoupled](exchange, request.model, request.version)
        except Exception:  # noqa: BLE001 - whatever happens, the job ends
            internal_error(exchange)
        return exchange


class _NoRun:
    responses = 0

    def cancel(self) -> None:
        """Do nothing: it has ended."""
