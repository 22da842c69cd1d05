"""The logging extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import Unsupported
from naiad.wire.grpc.methods.method import Method
from naiad.wire.services import Services


def logging_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    del services
    return {"LogSettings": _refuse}


def _refuse(_: Any) -> Mapping[str, Any]:
    raise Unsupported("log settings cannot be read or changed over the network; see --log-level and --log-format")
