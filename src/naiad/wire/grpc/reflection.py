"""Server reflection: which services there are and what their messages look like, for grpcurl and its like."""

from __future__ import annotations

from naiad.core.errors import MalformedBody
from naiad.proto.small_services import REFLECTION_PACKAGES
from naiad.protocol.grpc.reflection import answer
from naiad.wire.grpc.call import Call

REFLECTION = frozenset(f"/{package}.ServerReflection/ServerReflectionInfo" for package in REFLECTION_PACKAGES)
"""Methods; both packages have the same messages."""


def serve_reflection(call: Call) -> None:
    """Answer each question of a stream; its end is the call's."""

    def on_message(raw: bytes) -> None:
        try:
            call.send(answer(raw))
        except MalformedBody as error:
            call.finish("INVALID_ARGUMENT", error.message)

    call.on_message = on_message
    call.on_end = call.finish
