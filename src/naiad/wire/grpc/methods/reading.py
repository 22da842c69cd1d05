"""The methods that only tell: liveness, readiness, metadata, configuration, statistics."""

from __future__ import annotations

from typing import Any

from naiad.wire.grpc.methods.method import Method
from naiad.wire.services import Services


def reading_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    overview = services.overview
    return {
        "ServerLive": lambda _: {"live": overview.is_live},
        "ServerReady": lambda _: {"ready": overview.is_ready},
        "ModelReady": lambda request: {"ready": overview.is_model_ready(request.name, request.version)},
        "ServerMetadata": lambda _: overview.server,
        "ModelMetadata": lambda request: overview.metadata(request.name, request.version),
        "ModelConfig": lambda request: {"config": overview.config(request.name, request.version)},
        "ModelStatistics": lambda request: {
            "model_stats": [_as_message(row) for row in overview.statistics(request.name, request.version)]
        },
    }


def _as_message(row: dict[str, Any]) -> dict[str, Any]:
    """Statistics without what Triton's message has no field for."""
    return {name: value for name, value in row.items() if not name.startswith("naiad_")}
