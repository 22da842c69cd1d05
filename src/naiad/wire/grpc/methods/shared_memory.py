"""The shared memory extensions, system and CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from naiad.core.errors import NotFound
from naiad.protocol.shared_memory import no_shared_memory
from naiad.wire.grpc.methods.method import Method
from naiad.wire.services import Services


def shared_memory_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    del services
    return {
        "SystemSharedMemoryStatus": partial(_regions, "system"),
        "CudaSharedMemoryStatus": partial(_regions, "cuda"),
        "SystemSharedMemoryRegister": _no_memory,
        "SystemSharedMemoryUnregister": _no_memory,
        "CudaSharedMemoryRegister": _no_memory,
        "CudaSharedMemoryUnregister": _no_memory,
    }


def _regions(kind: str, request: Any) -> Mapping[str, Any]:
    if request.name:
        raise NotFound(f"Unable to find {kind} shared memory region: '{request.name}'")
    return {}


def _no_memory(_: Any) -> Mapping[str, Any]:
    raise no_shared_memory()
