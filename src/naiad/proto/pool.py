"""The one private pool of our protobuf messages.

Private, because the default pool would refuse to hold ours beside those of tritonclient in the same process; one,
because the gRPC messages contain the model configuration. protobuf is imported on first use.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from naiad.proto import grpc_service_descriptor, model_config_descriptor


@cache
def message_class(name: str) -> Any:
    """Return the class of a message by its name inside the package `inference`."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for module in (model_config_descriptor, grpc_service_descriptor):
        pool.AddSerializedFile(base64.b64decode(module.SERIALIZED_BASE64))
    return pool
