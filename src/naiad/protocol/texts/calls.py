"""What the text routes outside v2 share: which models suit a route, what to run, and how the answer is written.

The routes themselves are in `openai.py`, `scoring.py` and `tei.py`: documents in, a TextCall out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from naiad.core.errors import InvalidRequest
from naiad.core.message import InferResponse, Parameter
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Array, Tensor, bytes_tensor, wire_array
from naiad.protocol.limits import Limits

EMBEDDING_TASKS = ("feature-extraction", "sentence-similarity")
SPARSE_TASKS = ("sparse-embedding",)
RANKING_TASKS = ("text-ranking",)
CLASSIFYING_TASKS = ("text-classification",)

IGNORED = frozenset({"model", "user", "metadata", "safety_identifier", "priority", "request_id", "rid"})
"""Keys that every route takes: the model, and hints that change no answer here."""


@dataclass(frozen=True, slots=True)
class TextCall:
    """One request to a text model."""

    inputs: list[Tensor]
    outputs: tuple[str, ...]
    """Outputs that `write` reads; nothing else is computed."""
    write: Callable[[InferResponse], bytes]
    """Answer → body. Raises NaiadError where the answer does not suit the request."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    """Parameters of the model's task."""

    @property
    def takes_ids(self) -> bool:
        """Whether it is for the model's raw-tensor view, which takes token ids instead of texts."""
        return self.inputs[0].name == "input_ids"


def as_for_texts(call: TextCall, config: ModelConfig) -> TextCall:
    """A call with token ids, answered as the text model would: the raw-tensor view gives embeddings as they are made.

    config: the text model's, with the width and the scaling of its embeddings.
    """
    width = next((tensor.dims[-1] for tensor in config.outputs if tensor.name == "embedding"), -1)
    normalizes = config.parameters.get("normalize") == "true"

    def finished(tensor: Tensor) -> Tensor:
        if tensor.name != "embedding":
            return tensor
        vectors = wire_array(tensor)[:, : width if width > 0 else None]
        return Tensor("embedding", "FP32", normalise(vectors) if normalizes else vectors)

    def write(response: InferResponse) -> bytes:
        return call.write(replace(response, outputs=list(map(finished, response.outputs))))

    return replace(call, write=write)


def normalise(embeddings: Array) -> Array:
    """Scale rows to length 1; rows of zeros stay."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    scaled: Array = embeddings / np.where(norms > 0, norms, 1)
    return scaled


@dataclass(frozen=True, slots=True)
class TextRoute:
    """What one route takes."""

    purpose: str
    """For the error about a model that is for something else."""
    tasks: tuple[str, ...]
    """Tasks of the models that suit."""
    keys: frozenset[str]
    """Keys of its document, besides IGNORED."""
    read: Callable[[dict[str, Any], str], TextCall]
    """read(document, task of the model). Raises InvalidRequest naming the key."""


def check_keys(route: TextRoute, document: Mapping[str, Any]) -> None:
    """Refuse what would change the answer and is not done here. Raises InvalidRequest."""
    for key, value in document.items():
        if key in route.keys or key in IGNORED or value is None or (key == "stream" and value is False):
            continue
        if key == "stream":
            raise InvalidRequest("'stream' is not supported on this route; leave it out", param=key)
        known = ", ".join(sorted(route.keys))
        raise InvalidRequest(f"unknown key '{key}'; this route has: model, {known}", param=key)


def check_size(document: Mapping[str, Any], limits: Limits) -> None:
    """Refuse more texts, or token ids padded to the longest row, than one request may have. Raises InvalidRequest."""
    for key, value in document.items():
        if type(value) is not list or not value:
            continue
        if type(value[0]) is not int and len(value) > limits.texts:
            raise InvalidRequest(f"'{key}' has {len(value)} texts; at most {limits.texts} are allowed", param=key)
        longest = max(len(row) for row in value if type(row) is list) if type(value[0]) is list else 1
        if len(value) * longest > limits.tokens:
            raise InvalidRequest(
                f"'{key}' has {len(value)} times {longest} token ids; at most {limits.tokens} are allowed", param=key
            )


def values_of(response: InferResponse, name: str) -> Array:
    """Return the array of one output, row-major. Raises Failed as `wire_array` does."""
    tensor = next(tensor for tensor in response.outputs if tensor.name == name)
    return tensor.data if tensor.datatype == "BYTES" else wire_array(tensor)


_ROWS = 64
"""Written by one call; no call may hold up the event loop, from whichever thread it is made."""


def write_rows(rows: Sequence[Any]) -> bytes:
    """Return a JSON array of rows, which may be arrays of numbers."""
    option = orjson.OPT_SERIALIZE_NUMPY
    pieces = [orjson.dumps(rows[at : at + _ROWS], option=option)[1:-1] for at in range(0, len(rows), _ROWS)]
    return b"[%b]" % b",".join(pieces)


def texts_tensor(name: str, texts: list[str] | tuple[str, ...]) -> Tensor:
    """Make an input of texts."""
    return bytes_tensor(name, [text.encode() for text in texts])


def ids_tensors(rows: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """Make the raw-tensor view's inputs of token ids, rows of any length."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return [Tensor("input_ids", "INT64", ids), Tensor("attention_mask", "INT64", mask)]


def read_input(key: str, value: Any) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Return texts, or the token ids of texts, whether given for one or for several. Raises InvalidRequest."""
    if type(value) is str:
        return (value,), ()
    if type(value) is list and value:
        if all(type(item) is str for item in value):
            return tuple(value), ()
        rows: list[Any] = value if type(value[0]) is list else [value]
        if all(type(row) is list and row and all(_is_id(token) for token in row) for row in rows):
            return (), tuple(map(tuple, rows))
    raise InvalidRequest(f"'{key}' must be a string, a list of strings, or lists of token ids; not empty", param=key)


def read_texts(key: str, value: Any) -> list[str]:
    """Return one or several texts as a list. Raises InvalidRequest."""
    texts = [value] if type(value) is str else value
    if type(texts) is list and texts and all(type(text) is str for text in texts):
        return texts
    raise InvalidRequest(f"'{key}' must be a string or a list of strings; not empty", param=key)


def read_flag(document: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return a value that must be true or false. Raises InvalidRequest."""
    value = document.get(key)
    if value is None:
        return default
    if type(value) is not bool:
        raise InvalidRequest(f"'{key}' must be true or false", param=key)
    return value


def read_count(document: Mapping[str, Any], key: str) -> int:
    """Return a whole number of at least 1, or 0 where there is none. Raises InvalidRequest."""
    value = document.get(key)
    if value is None:
        return 0
    if type(value) is not int or value < 1:
        raise InvalidRequest(f"'{key}' must be a whole number of at least 1", param=key)
    return value


def _is_id(token: Any) -> bool:
    return type(token) is int and -(2**63) <= token < 2**63
