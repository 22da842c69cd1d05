"""What every RPC belongs to, for restrictions: the same words as on the routes of the HTTP door."""

from __future__ import annotations

from naiad.core.settings.features import Feature

SERVICE = "/inference.GRPCInferenceService/"
"""What the paths of v2's methods begin with."""

_OF_V2 = {
    Feature.HEALTH: ("ServerLive", "ServerReady", "ModelReady"),
    Feature.METADATA: ("ServerMetadata", "ModelMetadata"),
    Feature.INFERENCE: ("ModelInfer", "ModelStreamInfer"),
    Feature.MODEL_CONFIG: ("ModelConfig",),
    Feature.STATISTICS: ("ModelStatistics",),
    Feature.MODEL_REPOSITORY: ("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    Feature.SHARED_MEMORY: (
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryStatus",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
    ),
    Feature.TRACE: ("TraceSetting",),
    Feature.LOGGING: ("LogSettings",),
}
V2_METHODS = tuple(name for names in _OF_V2.values() for name in names)
"""Names of the methods of v2's service."""
_METHODS = {SERVICE + name: feature for feature, names in _OF_V2.items() for name in names}
_SERVICES = {"/grpc.health.": Feature.HEALTH, "/grpc.reflection.": Feature.METADATA}
"""Whole services, by what their paths begin with."""


def feature_of(method: str) -> Feature | None:
    """Return what an RPC, by its full path, belongs to; None for one that no service here has."""
    feature = _METHODS.get(method)
    if feature is not None:
        return feature
    return next((feature for start, feature in _SERVICES.items() if method.startswith(start)), None)
