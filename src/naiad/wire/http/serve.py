"""`POST /serve/{endpoint}[/{version}]`: the routes of ClearML-Serving, with its statuses and its words.

A body is a JSON object, or raw bytes under any other content type; without a content type it is JSON, as FastAPI has
it. gzip and deflate are taken off. Answers are JSON; errors `{"detail": …}`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import orjson

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import HookFailed, InvalidRequest, MalformedBody, ModelFailed, NaiadError, NotFound, NotReady
from naiad.core.message import Answer, InferRequest, RequestedOutput
from naiad.core.settings.features import Feature
from naiad.core.tensor import Tensor
from naiad.core.user_code.endpoint import BODY, IS_JSON, SUFFIX
from naiad.protocol.limits import Limits
from naiad.protocol.status import http_status
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.states import VersionState
from naiad.wire.http.answering import beside, is_long, most_read_bytes, submit, take_body
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services

_JSON = b"application/json"
_OUTPUTS = (RequestedOutput(BODY),)
_OPENAI = "openai"
_OURS = ("embeddings", "score", "rerank", "classify")
"""Routes below /v1 that `texts.py` has; ClearML has them of vLLM, the last three without `v1/`."""
_LOAD_FAILED = "Error [<class 'EndpointModelLoadException'>] processing request: {}"
"""ClearML's words for an endpoint that is there and cannot be loaded."""


def serve_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes; a name of two parts and a version look alike, and are told apart by what is served."""
    handler = ServeHandler(services.engine, limits)
    return [
        route(r"/serve/(?P<first>[^/]+)(?:/(?P<second>[^/]+))?/?", Feature.INFERENCE, POST=handler),
        route(r"/serve/(?P<path>openai/v1/.+)", Feature.INFERENCE, POST=_refuse_openai, GET=_refuse_openai),
    ]


class ServeHandler:
    """Reads the body, submits, and answers."""

    def __init__(self, engine: Engine, limits: Limits, clock: Clock = monotonic) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock

    def __call__(self, exchange: Exchange, first: str, second: str = "") -> None:
        """Handle one request."""
        arrived_s = self._clock()
        try:
            served = self._find(first, second)
            if b"content-encoding" in exchange.headers and is_long(exchange):
                read = partial(take_body, exchange, self._limits.body_bytes)
                go_on = partial(self._go_on, exchange, first, second, arrived_s)
                beside(self._engine.worker, exchange, most_read_bytes(exchange), read, go_on)
                return
            self._submit(exchange, served, take_body(exchange, self._limits.body_bytes), arrived_s)
        except NaiadError as error:
            _fail(exchange, error)

    def _go_on(self, exchange: Exchange, first: str, second: str, arrived_s: float, body: bytes | NaiadError) -> None:
        """Take up a request whose body was decompressed in a thread."""
        try:
            if isinstance(body, NaiadError):
                raise body
            exchange.count(len(body))
            self._submit(exchange, self._find(first, second, was_accepted=True), body, arrived_s)
        except NaiadError as error:
            _fail(exchange, error)

    def _find(self, first: str, second: str, *, was_accepted: bool = False) -> ServedModel:
        """Return the endpoint of a URL; without a version, the newest. Raises NotFound, NotReady."""
        whole = f"{first}/{second}" if second else first
        knows = self._engine.catalog.knows
        if not second or knows(whole + SUFFIX) or not knows(first + SUFFIX):
            return self._route(whole, "", whole, was_accepted=was_accepted)
        if not (second.isascii() and second.isdigit()):
            raise NotFound(_unknown(whole))
        served = self._route(first, second, whole, was_accepted=was_accepted)
        if served.config.parameters.get("endpoint") == first:  # it has no version
            raise NotFound(_unknown(whole))
        return served

    def _route(self, name: str, version: str, url: str, *, was_accepted: bool) -> ServedModel:
        """Return a version of an endpoint. Raises NotFound, NotReady; HookFailed where its code cannot be loaded."""
        try:
            return self._engine.route(name + SUFFIX, version, was_accepted=was_accepted)
        except (NotFound, NotReady) as error:
            for entry in self._engine.catalog.versions(name + SUFFIX):
                is_failed = entry.state is VersionState.UNAVAILABLE and not entry.is_as_wanted
                if is_failed and version in ("", entry.version):
                    raise HookFailed(_LOAD_FAILED.format(entry.reason)) from error
            if isinstance(error, NotReady):
                raise
            raise NotFound(_unknown(url)) from error

    def _submit(self, exchange: Exchange, served: ServedModel, body: bytes, arrived_s: float) -> None:
        tensor = Tensor(BODY, "UINT8", np.frombuffer(body, np.uint8))
        request = InferRequest(served.name, served.version, inputs={BODY: tensor}, outputs=_OUTPUTS)
        request.parameters = {IS_JSON: is_json(exchange.headers.get(b"content-type"))}
        request.arrived_s = arrived_s
        submit(self._engine, exchange, served, request, partial(_answer, exchange))


def is_json(content_type: bytes | None) -> bool:
    """Whether a body of that content type is JSON."""
    if content_type is None or not content_type.strip():
        return True
    kind, _, subtype = content_type.partition(b";")[0].strip().lower().partition(b"/")
    return kind == b"application" and (subtype == b"json" or subtype.endswith(b"+json"))


def _answer(exchange: Exchange, answer: Answer, is_final: bool) -> None:
    del is_final  # there is one answer
    if isinstance(answer, NaiadError):
        _fail(exchange, answer)
    else:
        exchange.answer(200, answer.outputs[0].data.tobytes(), _JSON)


def _fail(exchange: Exchange, error: NaiadError) -> None:
    exchange.answer(_status(error), orjson.dumps({"detail": error.message}), _JSON)


def _status(error: NaiadError) -> int:
    """Return ClearML's status: 422 for what hooks raise and for bodies that cannot be read."""
    if isinstance(error, HookFailed | MalformedBody) or type(error) is InvalidRequest:
        return 422
    return 500 if isinstance(error, ModelFailed) else http_status(error)


def _refuse_openai(exchange: Exchange, path: str) -> None:
    _fail(exchange, NotFound(_unknown(path)))


def _unknown(url: str) -> str:
    said = f"Error processing request, endpoint was not found: Model inference endpoint '{url}' not found"
    first, _, path = url.partition("/")
    if first != _OPENAI or not path:
        return said
    ours = path.removeprefix("v1/")
    if path == "v1/models" or ours in _OURS:
        return f"{said}; this server has it at /v1/{ours}, without /serve/{_OPENAI}"
    return f"{said}; ClearML has vLLM answer it, which is not run here: send it to a vLLM server of its own"
