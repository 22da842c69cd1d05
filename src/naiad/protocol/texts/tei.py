"""The routes of Hugging Face's text-embeddings-inference: /embed, /embed_sparse, /predict, /rerank with `texts`.

Pure: documents in, what to run out; answers in, documents out. Its requests name no model, because its servers have
one; here `model` may name one. A text that is too long is an error unless `truncate` is true, as there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import orjson

from naiad.core import errors
from naiad.core.message import InferResponse, Parameter
from naiad.core.tensor import Array
from naiad.protocol.texts.calls import (
    CLASSIFYING_TASKS,
    EMBEDDING_TASKS,
    RANKING_TASKS,
    SPARSE_TASKS,
    TextCall,
    TextRoute,
    ids_tensors,
    normalise,
    read_count,
    read_flag,
    read_input,
    read_texts,
    texts_tensor,
    values_of,
    write_rows,
)
from naiad.protocol.texts.openai import shorten
from naiad.protocol.texts.scoring import best_first, ranking_call, raw_parameters

_CUTTING = frozenset({"truncate", "truncation_direction"})


def read_embed(document: dict[str, Any], task: str) -> TextCall:
    """POST /embed. Raises InvalidRequest."""
    del task
    texts, token_ids = read_input("inputs", document.get("inputs"))
    if not read_flag(document, "normalize", True):
        raise errors.InvalidRequest(
            "'normalize': false is not supported on this route; /v2 returns embeddings as the checkpoint makes them",
            param="normalize",
        )
    write = _uncut(document, partial(_write_embed, read_count(document, "dimensions")))
    if token_ids:
        return TextCall(ids_tensors(token_ids), ("embedding",), write)
    return TextCall([texts_tensor("text", texts)], ("embedding",), write, _prompt(document))


def read_embed_sparse(document: dict[str, Any], task: str) -> TextCall:
    """POST /embed_sparse. Raises InvalidRequest."""
    del task
    texts = read_texts("inputs", document.get("inputs"))
    write = _uncut(document, _write_embed_sparse)
    return TextCall([texts_tensor("text", texts)], ("counts", "indices", "values"), write, _prompt(document))


def _prompt(document: dict[str, Any]) -> dict[str, Parameter]:
    """The task's parameters for the prompt that is asked for."""
    prompt = document.get("prompt_name")
    if prompt is not None and type(prompt) is not str:
        raise errors.InvalidRequest("'prompt_name' must be a string", param="prompt_name")
    return {"prompt_name": prompt} if prompt else {}


def read_predict(document: dict[str, Any], task: str) -> TextCall:
    """POST /predict: a text, a pair of texts, or a list of lists of one or two. Raises InvalidRequest."""
    del task
    given = document.get("inputs")
    is_batch = type(given) is list and bool(given) and type(given[0]) is list
    rows = [read_texts("inputs", row) for row in (given if is_batch and type(given) is list else [given])]
    if any(len(row) > 2 for row in rows):
        raise errors.InvalidRequest("'inputs' must be a text, a pair, or a list of lists of one or two", param="inputs")
    inputs = [texts_tensor("text", [row[0] for row in rows])]
    if any(len(row) == 2 for row in rows):
        inputs.append(texts_tensor("text_pair", [row[1] if len(row) == 2 else "" for row in rows]))
    raw = read_flag(document, "raw_scores", False)
    write = _uncut(document, partial(_write_predict, is_batch))
    return TextCall(inputs, ("labels", "scores"), write, raw_parameters(raw))


def read_rank(document: dict[str, Any], task: str) -> TextCall:
    """POST /rerank with `texts`. Raises InvalidRequest."""
    del task
    query = document.get("query")
    if type(query) is not str:
        raise errors.InvalidRequest("'query' must be a string", param="query")
    texts = read_texts("texts", document.get("texts"))
    shown = texts if read_flag(document, "return_text", False) else None
    raw = read_flag(document, "raw_scores", False)
    return ranking_call(query, texts, _uncut(document, partial(_write_rank, shown)), raw=raw)


EMBED = TextRoute(
    "embeddings", EMBEDDING_TASKS, _CUTTING | {"inputs", "normalize", "prompt_name", "dimensions"}, read_embed
)
EMBED_SPARSE = TextRoute("sparse embeddings", SPARSE_TASKS, _CUTTING | {"inputs", "prompt_name"}, read_embed_sparse)
PREDICT = TextRoute("classification", CLASSIFYING_TASKS, _CUTTING | {"inputs", "raw_scores"}, read_predict)
RANK = TextRoute("reranking", RANKING_TASKS, _CUTTING | {"query", "texts", "return_text", "raw_scores"}, read_rank)


def status_of(error: errors.NaiadError) -> int:
    """HTTP status, as text-embeddings-inference maps its errors."""
    return _row(error)[0]


def write_error(error: errors.NaiadError) -> bytes:
    """Write the error object."""
    return orjson.dumps({"error": error.message, "error_type": _row(error)[1]})


_ERRORS = (
    (errors.InvalidRequest, 422, "Validation"),
    (errors.NotFound, 404, "Validation"),
    (errors.Overloaded, 429, "Overloaded"),
    (errors.DeadlineExceeded, 429, "Overloaded"),
    (errors.NotReady, 503, "Unhealthy"),
    (errors.NaiadError, 424, "Backend"),
)


def _row(error: errors.NaiadError) -> tuple[int, str]:
    """Status and kind."""
    if "too_long" in error.detail:
        return 413, "Validation"
    return next((status, kind) for cls, status, kind in _ERRORS if isinstance(error, cls))


def _uncut(document: dict[str, Any], write: Callable[[InferResponse], bytes]) -> Callable[[InferResponse], bytes]:
    """`write`, refusing answers about texts that were cut, unless the caller wants that."""
    direction = document.get("truncation_direction") or "right"
    if type(direction) is not str or direction.lower() != "right":
        raise errors.InvalidRequest(
            "'truncation_direction' must be 'right': texts are cut at their end", param="truncation_direction"
        )
    if read_flag(document, "truncate", False):
        return write

    def write_whole(response: InferResponse) -> bytes:
        cut = response.parameters.get("truncated_texts", 0)
        if cut:
            message = f"{cut} texts are longer than the model's maximum; shorten them, or send 'truncate': true"
            raise errors.InvalidRequest(message, too_long=cut)
        return write(response)

    return write_whole


def _write_embed(dimensions: int, response: InferResponse) -> bytes:
    embeddings: Array = normalise(shorten(values_of(response, "embedding"), dimensions, response.model_name))
    return write_rows(list(np.ascontiguousarray(embeddings, np.float32)))


def _write_embed_sparse(response: InferResponse) -> bytes:
    indices, values = values_of(response, "indices").tolist(), values_of(response, "values").tolist()
    rows: list[list[dict[str, Any]]] = []
    end = 0
    for count in values_of(response, "counts").tolist():
        begin, end = end, end + count
        pairs = zip(indices[begin:end], values[begin:end], strict=True)
        rows.append([{"index": index, "value": value} for index, value in pairs])
    return write_rows(rows)


def _write_predict(is_batch: bool, response: InferResponse) -> bytes:
    labels, scores = values_of(response, "labels").tolist(), values_of(response, "scores").tolist()
    rows = [
        [{"score": score, "label": label.decode()} for label, score in zip(names, values, strict=True)]
        for names, values in zip(labels, scores, strict=True)
    ]
    return orjson.dumps(rows if is_batch else rows[0])


def _write_rank(texts: list[str] | None, response: InferResponse) -> bytes:
    scores = values_of(response, "score")
    rows: list[dict[str, Any]] = [
        {"index": at, "score": scores[at].item(), **({} if texts is None else {"text": texts[at]})}
        for at in best_first(scores, len(scores))
    ]
    return orjson.dumps(rows)
