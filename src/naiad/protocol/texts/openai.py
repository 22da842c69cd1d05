"""OpenAI's shapes for what we serve: models, embeddings, errors. Rerank, score and classify are in `scoring.py`.

Pure: documents in, what to run out; answers in, documents out.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson

from naiad.core.errors import InvalidRequest, NaiadError, NotFound
from naiad.core.message import InferResponse
from naiad.core.tensor import Array
from naiad.protocol.status import http_status
from naiad.protocol.texts.calls import (
    EMBEDDING_TASKS,
    TextCall,
    TextRoute,
    ids_tensors,
    normalise,
    read_count,
    read_input,
    texts_tensor,
    values_of,
    write_rows,
)


def read_model(document: dict[str, Any]) -> str:
    """Return the model's name. Raises InvalidRequest."""
    model = document.get("model")
    if type(model) is not str or not model:
        raise InvalidRequest("'model' must be the name of a model; GET /v1/models lists them", param="model")
    return model


def read_embeddings(document: dict[str, Any], task: str) -> TextCall:
    """POST /v1/embeddings. Raises InvalidRequest naming the key."""
    del task
    texts, token_ids = read_input("input", document.get("input"))
    encoding = document.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidRequest("'encoding_format' must be 'float' or 'base64'", param="encoding_format")
    dimensions = read_count(document, "dimensions")
    write = partial(_write_embeddings, read_model(document), dimensions, encoding == "base64")
    inputs = ids_tensors(token_ids) if token_ids else [texts_tensor("text", texts)]
    return TextCall(inputs, ("embedding",), write)


EMBEDDINGS = TextRoute(
    "embeddings", EMBEDDING_TASKS, frozenset({"input", "encoding_format", "dimensions"}), read_embeddings
)


def shorten(embeddings: Array, dimensions: int, model: str) -> Array:
    """Keep the first numbers of each row, normalised again; 0 = all. Raises InvalidRequest where there are fewer."""
    width = embeddings.shape[1]
    if dimensions > width:
        raise InvalidRequest(
            f"'dimensions' is {dimensions}, but the vectors of model '{model}' have {width}", param="dimensions"
        )
    return normalise(embeddings[:, :dimensions]) if dimensions else embeddings


def _write_embeddings(model: str, dimensions: int, as_base64: bool, response: InferResponse) -> bytes:
    embeddings = shorten(values_of(response, "embedding"), dimensions, model)
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    rows = [base64.b64encode(row.tobytes()).decode() for row in embeddings] if as_base64 else list(embeddings)
    data = write_rows([{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)])
    document = {"object": "list", "data": orjson.Fragment(data), "model": model, "usage": usage(response.tokens)}
    return orjson.dumps(document)


def usage(tokens: int) -> dict[str, int]:
    """Tokens that were run, special ones included."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}


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
    code = "model_not_found" if isinstance(error, NotFound) else error.code
    body = {"message": error.message, "type": kind, "param": error.detail.get("param"), "code": code}
    return orjson.dumps({"error": body})
