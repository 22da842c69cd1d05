"""What a server says of itself and of its models, as values; read from the JSON of the v2 protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output of a model."""

    name: str
    datatype: str
    """Name of a row of `naiad.core.datatypes.TABLE`."""
    shape: tuple[int, ...]
    """With the batch dimension, where there is one; -1 = any."""


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """`GET /v2/models/NAME`."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """`GET /v2`."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One version of one model, as the repository index lists it."""

    name: str
    version: str
    """Empty for a model that was never loaded."""
    state: str
    """READY, LOADING, UNLOADING, UNAVAILABLE; empty for a model that was never loaded."""
    reason: str
    """Why it is not ready."""


def read_model(document: Mapping[str, Any]) -> ModelMetadata:
    """Raises KeyError, TypeError or ValueError for a document of another form."""
    return ModelMetadata(
        name=str(document["name"]),
        versions=tuple(map(str, document.get("versions") or ())),
        platform=str(document.get("platform") or ""),
        inputs=_tensors(document["inputs"]),
        outputs=_tensors(document["outputs"]),
    )


def _tensors(entries: Any) -> tuple[TensorMetadata, ...]:
    return tuple(
        TensorMetadata(str(one["name"]), str(one["datatype"]), tuple(map(int, one["shape"]))) for one in entries
    )


def read_server(document: Mapping[str, Any]) -> ServerMetadata:
    """Raises KeyError or TypeError for a document of another form."""
    return ServerMetadata(
        str(document["name"]), str(document["version"]), tuple(map(str, document.get("extensions") or ()))
    )


def read_index(document: Any) -> list[IndexEntry]:
    """Raises KeyError or TypeError for a document of another form."""
    return [
        IndexEntry(str(one["name"]), *(str(one.get(key) or "") for key in ("version", "state", "reason")))
        for one in document
    ]
