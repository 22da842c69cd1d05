"""The model repository extension: the index; loading and unloading."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import NotReady, Unsupported
from naiad.serving.overview import Overview
from naiad.wire.grpc.methods.method import Method
from naiad.wire.services import Services


def repository_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    return {
        "RepositoryIndex": partial(_index, services.overview),
        "RepositoryModelLoad": _control,
        "RepositoryModelUnload": _control,
    }


def _refuse_repository_name(request: Any) -> None:
    if request.repository_name:
        raise Unsupported("'repository_name' specification is not supported")


def _index(overview: Overview, request: Any) -> Mapping[str, Any]:
    _refuse_repository_name(request)
    return {"models": overview.index(only_ready=request.ready)}


def _control(request: Any) -> Mapping[str, Any]:
    _refuse_repository_name(request)
    raise NotReady("explicit model load / unload is not allowed if polling is enabled")
