"""The one pool of the messages that our gRPC door speaks, and what server reflection tells of them.

One, because the gRPC messages contain the model configuration. protobuf is imported on first use.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from naiad.proto import grpc_service_descriptor, model_config_descriptor
from naiad.proto.private_pool import PrivatePool
from naiad.proto.small_services import REFLECTION_PACKAGES, small_files

_FILES = {"model_config.proto": model_config_descriptor, "grpc_service.proto": grpc_service_descriptor}


@cache
def message_class(name: str) -> Any:
    """Return the class of a message by its name inside the package `inference`."""
    return _POOL.classes[f"inference.{name}"]


@cache
def reflection_class(name: str) -> Any:
    """Return the class of a message of the reflection service, by its name; both of its packages have the same."""
    return _POOL.classes[f"{REFLECTION_PACKAGES[0]}.{name}"]


def services() -> list[str]:
    """Return the full names of all services, in alphabetical order."""
    files = [
        _POOL.descriptors.FindFileByName("grpc_service.proto"),
        *(_POOL.descriptors.FindFileByName(file.name) for file in small_files()),
    ]
    return sorted(service.full_name for file in files for service in file.services_by_name.values())


def file_named(name: str) -> list[bytes]:
    """Return the descriptor of a file and of those that it needs, itself first. Raises KeyError with a sentence."""
    try:
        return _with_needed(_POOL.descriptors.FindFileByName(name))
    except KeyError as error:
        raise KeyError(f"File not found: {name}") from error


def file_of(symbol: str) -> list[bytes]:
    """Return the same for the file that declares a service, method, message, field or enum. Raises KeyError."""
    pool = _POOL.descriptors
    owner, _, last = symbol.rpartition(".")
    finders: tuple[Callable[[], Any], ...] = (
        lambda: pool.FindFileContainingSymbol(symbol),
        lambda: pool.FindServiceByName(owner).methods_by_name[last].containing_service.file,
        lambda: pool.FindMessageTypeByName(owner).fields_by_name[last].file,
    )  # the first knows neither methods nor fields
    for find in finders:
        with suppress(KeyError):
            return _with_needed(find())
    raise KeyError(f"Symbol not found: {symbol}")


def _with_needed(file: Any) -> list[bytes]:
    """Each descriptor once, as bytes."""
    found = {file.name: file.serialized_pb}
    waiting = list(file.dependencies)
    while waiting:
        needed = waiting.pop(0)
        if needed.name not in found:
            found[needed.name] = needed.serialized_pb
            waiting.extend(needed.dependencies)
    return list(found.values())


def _make_pool() -> tuple[Any, list[str]]:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for module in _FILES.values():
        pool.AddSerializedFile(base64.b64decode(module.SERIALIZED_BASE64))
    for file in small_files():
        pool.Add(file)
    return pool, [*_FILES, *(file.name for file in small_files())]


_POOL = PrivatePool(_make_pool)
