"""OpenAI's routes on the HTTP port: /v1/models, /v1/embeddings, /v1/rerank."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest, NaiadError, NotFound
from naiad.core.features import Feature
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.tensor import Array, Tensor, bytes_tensor
from naiad.protocol import openai
from naiad.protocol.json_body import parse_json
from naiad.protocol.limits import Limits
from naiad.serving.engine import Engine
from naiad.wire.http.answering import answering_errors, read_body, submit
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.routes import Route, route
from naiad.wire.services import Services

_JSON = b"application/json"
_VIEW_SUFFIX = ".tensors"
"""Of the raw-tensor view, which takes token ids."""


def openai_routes(services: Services, limits: Limits) -> list[Route]:
    """Return the routes; their paths share nothing with v2's."""
    api = _OpenAi(services.engine, limits)
    return [
        route(r"/v1/models", Feature.METADATA, GET=answering_errors(api.models, _fail)),
        route(r"/v1/models/(?P<model>.+)", Feature.METADATA, GET=answering_errors(api.model, _fail)),
        route(r"/v1/embeddings", Feature.INFERENCE, POST=answering_errors(api.embeddings, _fail)),
        route(r"(?:/v1)?/rerank", Feature.INFERENCE, POST=answering_errors(api.rerank, _fail)),
    ]


def _fail(exchange: Exchange, error: NaiadError) -> None:
    exchange.answer(openai.status_of(error), openai.write_error(error), _JSON)


class _OpenAi:
    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._created = int(time.time())

    def models(self, exchange: Exchange) -> None:
        names = [model.name for model in self._engine.catalog.models()]
        exchange.answer(200, openai.write_models(sorted(set(names)), self._created), _JSON)

    def model(self, exchange: Exchange, model: str) -> None:
        name = self._known(model)
        exchange.answer(200, orjson.dumps(openai.model_document(name, self._created)), _JSON)

    def embeddings(self, exchange: Exchange) -> None:
        asked = openai.read_embeddings(self._document(exchange))
        name = self._known(asked.model)
        self._require(name, "embedding", "embeddings")
        view = _VIEW_SUFFIX if asked.token_ids else ""
        write = partial(openai.write_embeddings, asked)
        self._submit(exchange, name + view, openai.embedding_inputs(asked), "embedding", write)

    def rerank(self, exchange: Exchange) -> None:
        asked = openai.read_rerank(self._document(exchange))
        name = self._known(asked.model)
        self._require(name, "index", "reranking")
        inputs = [
            bytes_tensor("query", [asked.query.encode()]),
            bytes_tensor("documents", [text.encode() for text in asked.documents]),
        ]
        self._submit(exchange, name, inputs, "score", partial(openai.write_rerank, asked))

    def _document(self, exchange: Exchange) -> dict[str, Any]:
        return parse_json(read_body(exchange, self._limits.body_bytes), self._limits)

    def _known(self, model: str) -> str:
        """Return the name that the model is served under; clients may send the Hub's org/name."""
        for name in (model, model.rpartition("/")[2]):
            try:
                self._engine.catalog.find(name)
            except NotFound:
                continue
            return name
        raise NotFound(f"there is no model '{model}'; GET /v1/models lists those that are served", param="model")

    def _require(self, name: str, output: str, purpose: str) -> None:
        config = self._engine.catalog.find(name).config
        if output not in [tensor.name for tensor in config.outputs]:
            raise InvalidRequest(f"model '{name}' is not for {purpose}", param="model")

    def _submit(
        self,
        exchange: Exchange,
        model: str,
        inputs: list[Tensor],
        output: str,
        write: Callable[[Array, int], bytes],
    ) -> None:
        request = InferRequest(model, inputs={tensor.name: tensor for tensor in inputs})

        def respond(answer: Answer, is_last: bool) -> None:
            del is_last
            try:
                exchange.answer(200, _written(answer, output, write), _JSON)
            except NaiadError as error:
                _fail(exchange, error)

        submit(self._engine, exchange, request, respond)


def _written(answer: Answer, output: str, write: Callable[[Array, int], bytes]) -> bytes:
    if isinstance(answer, NaiadError):
        raise answer
    return write(_output(answer, output), answer.tokens)


def _output(response: InferResponse, name: str) -> Array:
    return next(tensor.data for tensor in response.outputs if tensor.name == name)
