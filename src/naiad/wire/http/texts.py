"""The text routes outside v2: OpenAI's, those of vLLM and its kin, and those of text-embeddings-inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest, NaiadError, NotFound, NotReady
from naiad.core.message import Answer, InferRequest, RequestedOutput
from naiad.core.model.config import ModelConfig
from naiad.core.settings.features import Feature
from naiad.protocol.limits import Limits
from naiad.protocol.texts import openai, scoring, tei
from naiad.protocol.texts.calls import TextCall, TextRoute, as_for_texts, check_keys, check_size
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.text_model import RANKING_SUFFIX, VIEW_SUFFIX
from naiad.serving.worker import SHORT_ELEMENTS
from naiad.wire.http.answering import answering_errors, beside, read_document, reading_beside, submit
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services

_JSON = b"application/json"

Fail = Callable[[Exchange, NaiadError], None]


def text_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes; their paths share nothing with v2's."""
    models = _Models(services.engine)
    texts = _Texts(services.engine, models, limits)

    def post(pattern: str, what: TextRoute) -> Route:
        handler = answering_errors(partial(texts.answer, what, _fail), _fail)
        return route(pattern, Feature.INFERENCE, POST=reading_beside(services.engine.worker, limits, handler))

    def post_tei(pattern: str, what: TextRoute) -> Route:
        handler = answering_errors(partial(texts.answer, what, _fail_tei), _fail_tei)
        return route(pattern, Feature.INFERENCE, POST=reading_beside(services.engine.worker, limits, handler))

    rerank = reading_beside(services.engine.worker, limits, answering_errors(texts.rerank, _fail))

    return [
        route(r"/v1/models", Feature.METADATA, GET=answering_errors(models.all, _fail)),
        route(r"/v1/models/(?P<model>.+)", Feature.METADATA, GET=answering_errors(models.one, _fail)),
        post(r"/v1/embeddings", openai.EMBEDDINGS),
        post(r"/v[12]/rerank", scoring.RERANK),
        post(r"(?:/v1)?/score", scoring.SCORE),
        post(r"(?:/v1)?/classify", scoring.CLASSIFY),
        route(r"/rerank", Feature.INFERENCE, POST=rerank),
        post_tei(r"/embed", tei.EMBED),
        post_tei(r"/embed_sparse", tei.EMBED_SPARSE),
        post_tei(r"/predict", tei.PREDICT),
    ]


def _fail(exchange: Exchange, error: NaiadError) -> None:
    exchange.answer(openai.status_of(error), openai.write_error(error), _JSON)


def _fail_tei(exchange: Exchange, error: NaiadError) -> None:
    exchange.answer(tei.status_of(error), tei.write_error(error), _JSON)


class _Models:
    """Finds models by the names that these routes' clients use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._catalog = engine.catalog
        self._created = int(time.time())

    def all(self, exchange: Exchange) -> None:
        names = {model.name for model in self._catalog.models()}
        exchange.answer(200, openai.write_models(sorted(names), self._created), _JSON)

    def one(self, exchange: Exchange, model: str) -> None:
        name = self.named(model).name
        exchange.answer(200, orjson.dumps(openai.model_document(name, self._created)), _JSON)

    def named(self, model: str, tasks: Sequence[str] = ()) -> ServedModel:
        """Return the model of that name; clients may send the Hub's org/name.

        tasks: what it should be for; a model that is not, but is served for that beside it, gives way to that one.
        """
        found = self._find(model, model.rpartition("/")[2])
        if found is not None:
            if tasks and _task(found.config) not in tasks:
                beside = self._find(found.name + RANKING_SUFFIX)
                return beside if beside is not None and _task(beside.config) in tasks else found
            return found
        raise NotFound(f"there is no model '{model}'; GET /v1/models lists the models", param="model")

    def _find(self, *names: str) -> ServedModel | None:
        """Return the first model that there is. Raises NotReady if there is none, but may be one soon."""
        late: NotReady | None = None
        for name in names:
            try:
                return self._engine.route(name)
            except NotFound:
                continue
            except NotReady as error:
                late = late or error.with_traceback(None)
        if late is not None:
            raise late
        return None

    def only(self, what: TextRoute) -> ServedModel:
        """Return the one model for the purpose, where a request names none."""
        found = {
            model.name: model
            for model in self._catalog.models()
            if _task(model.config) in what.tasks and not model.name.endswith(VIEW_SUFFIX)
        }
        if len(found) == 1:
            return next(iter(found.values()))
        if not found and self._catalog.is_loading:
            raise NotReady(f"no model for {what.purpose} is loaded yet; try again", param="model")
        served = f"name one with 'model': {', '.join(sorted(found))}" if found else "no such model is served"
        raise InvalidRequest(f"the request names no model for {what.purpose}; {served}", param="model")


class _Texts:
    """Answers requests for what text models do."""

    def __init__(self, engine: Engine, models: _Models, limits: Limits) -> None:
        self._engine = engine
        self._models = models
        self._limits = limits

    def answer(self, what: TextRoute, fail: Fail, exchange: Exchange) -> None:
        """Read, run, write."""
        self._run(exchange, self._document(exchange), what, fail)

    def rerank(self, exchange: Exchange) -> None:
        """Answer the path that two kinds of servers share; their documents differ."""
        document = self._document(exchange)
        if "texts" not in document:
            self._run(exchange, document, scoring.RERANK, _fail)
            return
        try:
            self._run(exchange, document, tei.RANK, _fail_tei)
        except NaiadError as error:
            _fail_tei(exchange, error)

    def _document(self, exchange: Exchange) -> dict[str, Any]:
        return read_document(exchange, self._limits, "the request must be a JSON object")

    def _run(self, exchange: Exchange, document: dict[str, Any], what: TextRoute, fail: Fail) -> None:
        check_keys(what, document)
        check_size(document, self._limits)
        names_model = fail is _fail or document.get("model") is not None
        model = self._models.named(openai.read_model(document), what.tasks) if names_model else self._models.only(what)
        if _task(model.config) not in what.tasks:
            raise InvalidRequest(f"model '{model.name}' does not support {what.purpose}", param="model")
        read = partial(what.read, document, _task(model.config))
        if exchange.document is None:
            self._take_up(exchange, model, fail, read())
            return

        def go_on(call: TextCall | NaiadError) -> None:
            try:
                self._take_up(exchange, self._engine.route(model.name, was_accepted=True), fail, call)
            except NaiadError as error:
                fail(exchange, error)

        beside(self._engine.worker, exchange, exchange.body_bytes, read, go_on)

    def _take_up(self, exchange: Exchange, model: ServedModel, fail: Fail, call: TextCall | NaiadError) -> None:
        if isinstance(call, NaiadError):
            raise call
        if call.takes_ids:
            call = as_for_texts(call, model.config)
            model = self._engine.route(model.name + VIEW_SUFFIX, model.version)
        self._submit(exchange, model, call, fail)

    def _submit(self, exchange: Exchange, model: ServedModel, call: TextCall, fail: Fail) -> None:
        request = InferRequest(model.name, inputs={tensor.name: tensor for tensor in call.inputs})
        request.outputs = tuple(RequestedOutput(name) for name in call.outputs)
        request.parameters = call.parameters

        def deliver(answer: Answer, is_final: bool) -> None:
            del is_final  # there is one answer
            if isinstance(answer, NaiadError):
                fail(exchange, answer)
                return
            elements = sum(tensor.data.size for tensor in answer.outputs)
            if elements > SHORT_ELEMENTS:
                beside(self._engine.worker, exchange, elements * 8, partial(call.write, answer), send)
                return
            try:
                send(call.write(answer))
            except NaiadError as error:
                fail(exchange, error)

        def send(body: bytes | NaiadError) -> None:
            if isinstance(body, NaiadError):
                fail(exchange, body)
            else:
                exchange.answer_json(body)

        submit(self._engine, exchange, model, request, deliver)


def _task(config: ModelConfig) -> str:
    """What a text model is for; empty for other models."""
    return config.parameters.get("task", "") if config.backend == "naiad" else ""
