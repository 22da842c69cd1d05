"""The methods of v2 over gRPC for Ray's gRPC proxy: their names, and messages that stay bytes on the way to a replica.

Ray pickles what a proxy has received. Classes of protobuf messages that are made at run time cannot be pickled; bytes
can, and are decoded once, by the replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.wire.grpc.features import SERVICE, V2_METHODS
from naiad.wire.grpc.servicer import HEALTH

STREAMS = "ModelStreamInfer"
"""The method that takes and gives many messages."""

SERVICES: Mapping[str, tuple[str, ...]] = {
    SERVICE.strip("/"): V2_METHODS,
    HEALTH.split("/")[1]: (HEALTH.split("/")[2],),
}
"""Name of a service → its methods, each a method of the replica."""


class Written:
    """A message of an answer; Ray asks each for its bytes."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the bytes."""
        return self._data


def add_grpc_service(servicer: Any, server: Any) -> None:
    """Add the services to the server of a proxy: one of the `grpc_servicer_functions` of Ray's `grpc_options`.

    servicer: a stand-in; Ray itself answers, by asking the replica's method of the same name.
    """
    import grpc

    for service, names in SERVICES.items():
        handlers = {
            name: grpc.stream_stream_rpc_method_handler(getattr(servicer, name))
            if name == STREAMS
            else grpc.unary_unary_rpc_method_handler(getattr(servicer, name))
            for name in names
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def metadata_of(context: Any) -> dict[str, str]:
    """Return the metadata of a call, names in lower case, without binary values. context: Ray's of the call."""
    return {key.lower(): value for key, value in context.invocation_metadata() if isinstance(value, str)}


def set_status(context: Any, status: str, details: str) -> None:
    """Have a call end with a status by its gRPC name."""
    import grpc

    context.set_code(grpc.StatusCode[status])
    context.set_details(details)
