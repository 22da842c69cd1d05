"""The shared memory extensions, system and CUDA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from naiad.serving.shared_memory.registry import SharedMemory
from naiad.wire.grpc.methods.method import Method
from naiad.wire.services import Services


def shared_memory_methods(services: Services) -> dict[str, Method]:
    """Return the methods by name."""
    memory = services.memory
    return {
        "SystemSharedMemoryStatus": lambda request: _by_name(memory.status(request.name)),
        "SystemSharedMemoryRegister": partial(_register, memory),
        "SystemSharedMemoryUnregister": _by_its_name(memory.unregister),
        "CudaSharedMemoryStatus": lambda request: _by_name(memory.status_cuda(request.name)),
        "CudaSharedMemoryRegister": _by_its_name(memory.register_cuda),
        "CudaSharedMemoryUnregister": _by_its_name(memory.unregister_cuda),
    }


def _register(memory: SharedMemory, request: Any) -> Mapping[str, Any]:
    memory.register(request.name, request.key, request.offset, request.byte_size)
    return {}


def _by_name(regions: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {"regions": {region["name"]: region for region in regions}}


def _by_its_name(call: Callable[[str], None]) -> Method:
    """A method that calls with the region's name and answers with nothing."""

    def method(request: Any) -> Mapping[str, Any]:
        call(request.name)
        return {}

    return method
