"""The model repository extension: the index; loading and unloading."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.serving.control import LoadParameters, ModelControl
from naiad.serving.overview import Overview
from naiad.wire.grpc.methods.method import Document, Method
from naiad.wire.services import Services


def repository_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    return {
        "RepositoryIndex": partial(_index, services.overview),
        "RepositoryModelLoad": partial(_load, services.control),
        "RepositoryModelUnload": partial(_unload, services.control),
    }


def _refuse_repository_name(request: Any) -> None:
    if request.repository_name:
        raise Unsupported("'repository_name' specification is not supported")


def _index(overview: Overview, request: Any) -> asyncio.Future[Document]:
    _refuse_repository_name(request)

    async def index() -> Document:
        return {"models": await overview.index(only_ready=request.ready)}

    return asyncio.ensure_future(index())


def _load(control: ModelControl, request: Any) -> asyncio.Future[None]:
    _refuse_repository_name(request)
    config: str | None = None
    files: dict[str, str | bytes] = {}
    for key, value in request.parameters.items():
        if key == "config":
            config = _typed(value, "string_param", f"load parameter '{key}'")
        elif key.startswith("file:"):
            files[key.removeprefix("file:")] = _typed(value, "bytes_param", f"load parameter '{key}'")
        else:
            raise InvalidRequest(f"unrecognized load parameter '{key}'.")
    return control.load(request.model_name, LoadParameters(config, files))


def _unload(control: ModelControl, request: Any) -> asyncio.Future[None]:
    _refuse_repository_name(request)
    dependents = request.parameters.get("unload_dependents")
    wanted = dependents is not None and _typed(dependents, "bool_param", "'unload_dependents' parameter")
    return control.unload(request.model_name, unload_dependents=wanted)


def _typed(value: Any, kind: str, what: str) -> Any:
    if value.WhichOneof("parameter_choice") != kind:
        raise InvalidRequest(f"invalid value type for {what}, expected {kind}.")
    return getattr(value, kind)
