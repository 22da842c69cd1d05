"""OpenAI's shapes for what we serve: models, embeddings, and the rerank route that Cohere, Jina and others share.

Pure: documents in, what to run out; answers in, documents out. Only what has a meaning here is read; `user` and other
hints are accepted and ignored, as every server of these routes does.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from naiad.core.errors import InvalidRequest, NaiadError
from naiad.core.tensor import Array, Tensor, bytes_tensor
from naiad.protocol.status import http_status


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """POST /v1/embeddings."""

    model: str
    texts: tuple[str, ...]
    """Empty when `token_ids` is given instead."""
    token_ids: tuple[tuple[int, ...], ...] = ()
    dimensions: int = 0
    """Numbers of each embedding to keep; 0 = all."""
    as_base64: bool = False


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """POST /v1/rerank."""

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int
    returns_documents: bool


def read_embeddings(document: dict[str, Any]) -> EmbeddingsRequest:
    """Read the request. Raises InvalidRequest naming the key."""
    texts, token_ids = _read_input(document.get("input"))
    encoding = document.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise InvalidRequest("'encoding_format' must be 'float' or 'base64'", param="encoding_format")
    dimensions = document.get("dimensions") or 0
    if type(dimensions) is not int or dimensions < 0:
        raise InvalidRequest("'dimensions' must be a whole number of at least 1", param="dimensions")
    return EmbeddingsRequest(read_model(document), texts, token_ids, dimensions, encoding == "base64")


def read_rerank(document: dict[str, Any]) -> RerankRequest:
    """Read the request; a document is a string or an object with a `text`. Raises InvalidRequest naming the key."""
    query, documents = document.get("query"), document.get("documents")
    if type(query) is not str:
        raise InvalidRequest("'query' must be a string", param="query")
    if type(documents) is not list or not documents:
        raise InvalidRequest("'documents' must be a list of at least one string", param="documents")
    texts: list[Any] = [item.get("text") if type(item) is dict else item for item in documents]
    if any(type(text) is not str for text in texts):
        raise InvalidRequest("each of 'documents' must be a string or have a string 'text'", param="documents")
    top_n = document.get("top_n") or len(texts)
    if type(top_n) is not int or top_n < 1:
        raise InvalidRequest("'top_n' must be a whole number of at least 1", param="top_n")
    returns = document.get("return_documents", False) is True
    return RerankRequest(read_model(document), query, tuple(texts), top_n, returns)


def read_model(document: dict[str, Any]) -> str:
    """Return the model's name. Raises InvalidRequest."""
    model = document.get("model")
    if type(model) is not str or not model:
        raise InvalidRequest("'model' must be the name of a model; GET /v1/models lists them", param="model")
    return model


def embedding_inputs(request: EmbeddingsRequest) -> list[Tensor]:
    """The tensors that a text model, or for token ids its raw-tensor view, takes."""
    if not request.token_ids:
        return [bytes_tensor("text", [text.encode() for text in request.texts])]
    longest = max(map(len, request.token_ids))
    ids = np.zeros((len(request.token_ids), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(request.token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return [Tensor("input_ids", "INT64", ids), Tensor("attention_mask", "INT64", mask)]


def write_embeddings(request: EmbeddingsRequest, embeddings: Array, tokens: int) -> bytes:
    """Write the answer; embeddings: (n, width) float32. Raises InvalidRequest for more dimensions than there are."""
    if request.dimensions > embeddings.shape[1]:
        raise InvalidRequest(
            f"'dimensions' is {request.dimensions}, but model '{request.model}' gives {embeddings.shape[1]}",
            param="dimensions",
        )
    if request.dimensions:
        embeddings = embeddings[:, : request.dimensions]
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        embeddings = embeddings / np.where(norms > 0, norms, 1)
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    rows = [base64.b64encode(row.tobytes()).decode() for row in embeddings] if request.as_base64 else list(embeddings)
    document = {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)],
        "model": request.model,
        "usage": _usage(tokens),
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def write_rerank(request: RerankRequest, scores: Array, tokens: int) -> bytes:
    """Write the answer, best first; scores: (documents,) float32."""
    order = np.argsort(-scores, kind="stable")[: request.top_n].tolist()
    results = [{"index": at, "relevance_score": scores[at].item()} for at in order]
    if request.returns_documents:
        results = [{**row, "document": {"text": request.documents[row["index"]]}} for row in results]
    return orjson.dumps({"model": request.model, "results": results, "usage": _usage(tokens)})


def write_models(names: Sequence[str], created: int) -> bytes:
    """Write the list of models; created: seconds since the epoch."""
    return orjson.dumps({"object": "list", "data": [model_document(name, created) for name in names]})


def model_document(name: str, created: int) -> dict[str, Any]:
    """One model as OpenAI describes it."""
    return {"id": name, "object": "model", "created": created, "owned_by": "naiad"}


def status_of(error: NaiadError) -> int:
    """HTTP status; a body that cannot be parsed is 500 in Triton's protocol, here clients expect 400."""
    return 400 if isinstance(error, InvalidRequest) else http_status(error)


def write_error(error: NaiadError) -> bytes:
    """Write OpenAI's error object."""
    kind = "invalid_request_error" if status_of(error) < 500 else "server_error"
    body = {"message": error.message, "type": kind, "param": error.detail.get("param"), "code": error.code}
    return orjson.dumps({"error": body})


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _read_input(value: Any) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """A text, texts, the tokens of one, or the tokens of several."""
    if type(value) is str:
        return (value,), ()
    if type(value) is list and value:
        if all(type(item) is str for item in value):
            return tuple(value), ()
        if all(type(item) is int for item in value):
            return (), (tuple(value),)
        if all(type(item) is list and item and all(type(token) is int for token in item) for item in value):
            return (), tuple(map(tuple, value))
    raise InvalidRequest("'input' must be a string, a list of strings, or lists of token ids; not empty", param="input")
