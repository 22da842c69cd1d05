"""Rerank, score and classify, in the shapes that vLLM, SGLang, Jina and Cohere share.

Pure: documents in, what to run out; answers in, documents out.
"""

from __future__ import annotations

import time
import uuid
from functools import partial
from typing import Any

import numpy as np
import orjson

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferResponse, Parameter
from naiad.core.tensor import Array
from naiad.protocol.texts.calls import (
    CLASSIFYING_TASKS,
    EMBEDDING_TASKS,
    RANKING_TASKS,
    TextCall,
    TextRoute,
    normalise,
    read_count,
    read_flag,
    read_texts,
    texts_tensor,
    values_of,
)
from naiad.protocol.texts.openai import read_model, usage


def read_rerank(document: dict[str, Any], task: str) -> TextCall:
    """Read a rerank request; a document is a string or an object with a `text`. Raises InvalidRequest."""
    del task
    query, documents = document.get("query"), document.get("documents")
    if type(query) is not str:
        raise InvalidRequest("'query' must be a string", param="query")
    if type(documents) is not list or not documents:
        raise InvalidRequest("'documents' must be a list of at least one string", param="documents")
    texts: list[Any] = [item.get("text") if type(item) is dict else item for item in documents]
    if any(type(text) is not str for text in texts):
        raise InvalidRequest("each of 'documents' must be a string or have a string 'text'", param="documents")
    shown = texts if read_flag(document, "return_documents", False) else None
    write = partial(_write_rerank, read_model(document), read_count(document, "top_n") or len(texts), shown)
    return ranking_call(query, texts, write, raw=not read_flag(document, "use_activation", True))


def ranking_call(query: str, texts: list[str], write: Any, *, raw: bool = False) -> TextCall:
    """Score texts against a query. write: as TextCall.write; raw: without the checkpoint's activation."""
    inputs = [texts_tensor("query", [query]), texts_tensor("documents", texts)]
    return TextCall(inputs, ("score",), write, raw_parameters(raw))


def raw_parameters(raw: bool) -> dict[str, Parameter]:
    """The task's parameters for scores without activation."""
    return {"function_to_apply": "none"} if raw else {}


def best_first(scores: Array, count: int) -> list[int]:
    """Indices of the `count` highest scores; ties keep their order."""
    order: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return order


def _write_rerank(model: str, top_n: int, documents: list[str] | None, response: InferResponse) -> bytes:
    scores = values_of(response, "score")
    rows: list[dict[str, Any]] = [
        {"index": at, "relevance_score": scores[at].item()} for at in best_first(scores, top_n)
    ]
    if documents is not None:
        rows = [{**row, "document": {"text": documents[row["index"]]}} for row in rows]
    return orjson.dumps({"id": _identity("rerank"), "model": model, "results": rows, "usage": usage(response.tokens)})


def read_score(document: dict[str, Any], task: str) -> TextCall:
    """Read a request for the scores of pairs: one text with each of several, or texts in pairs.

    A model that ranks scores a pair itself; of one that embeds it is the cosine of both embeddings. Raises
    InvalidRequest.
    """
    first, second = read_texts("text_1", document.get("text_1")), read_texts("text_2", document.get("text_2"))
    if len(first) not in (1, len(second)):
        raise InvalidRequest(
            f"'text_1' has {len(first)} texts and 'text_2' {len(second)}: send one, or one each", param="text_1"
        )
    raw = not read_flag(document, "use_activation", True)
    model = read_model(document)
    if task in EMBEDDING_TASKS:
        write = partial(_write_cosines, model, len(first))
        return TextCall([texts_tensor("text", [*first, *second])], ("embedding",), write)
    inputs = [texts_tensor("query", first), texts_tensor("documents", second)]
    return TextCall(inputs, ("score",), partial(_write_model_scores, model), raw_parameters(raw))


def _write_model_scores(model: str, response: InferResponse) -> bytes:
    return _write_scores(model, values_of(response, "score"), response.tokens)


def _write_cosines(model: str, split: int, response: InferResponse) -> bytes:
    """split: how many of the embeddings belong to `text_1`."""
    embeddings = normalise(values_of(response, "embedding"))
    cosines = (embeddings[:split] * embeddings[split:]).sum(axis=1)
    return _write_scores(model, cosines, response.tokens)


def _write_scores(model: str, scores: Array, tokens: int) -> bytes:
    data = [{"index": at, "object": "score", "score": score} for at, score in enumerate(scores.tolist())]
    return _write_list("score", model, data, usage(tokens))


def read_classify(document: dict[str, Any], task: str) -> TextCall:
    """Read a request for the classes of texts. Raises InvalidRequest."""
    del task
    texts = read_texts("input", document.get("input"))
    raw = not (read_flag(document, "use_activation", True) and read_flag(document, "activation", True))
    parameters = {"order": "class", **raw_parameters(raw)}
    write = partial(_write_classes, read_model(document))
    return TextCall([texts_tensor("text", texts)], ("label", "scores"), write, parameters)


def _write_classes(model: str, response: InferResponse) -> bytes:
    labels, scores = values_of(response, "label"), values_of(response, "scores")
    data = [
        {"index": at, "label": label.decode(), "probs": row, "num_classes": len(row)}
        for at, (label, row) in enumerate(zip(labels.tolist(), scores.tolist(), strict=True))
    ]
    counted = {**usage(response.tokens), "completion_tokens": 0, "prompt_tokens_details": None}
    return _write_list("classify", model, data, counted)


def _write_list(kind: str, model: str, data: list[dict[str, Any]], counted: dict[str, Any]) -> bytes:
    head = {"id": _identity(kind), "object": "list", "created": int(time.time()), "model": model}
    return orjson.dumps({**head, "data": data, "usage": counted})


def _identity(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex}"


RERANK = TextRoute(
    "reranking",
    RANKING_TASKS,
    frozenset({"query", "documents", "top_n", "return_documents", "use_activation"}),
    read_rerank,
)
SCORE = TextRoute(
    "scoring pairs of texts",
    (*RANKING_TASKS, *EMBEDDING_TASKS),
    frozenset({"text_1", "text_2", "use_activation"}),
    read_score,
)
CLASSIFY = TextRoute(
    "classification", CLASSIFYING_TASKS, frozenset({"input", "use_activation", "activation"}), read_classify
)
