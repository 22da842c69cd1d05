"""Sends gRPC steps through grpcio, messages as bytes."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc

from harness.case import Rpc, Stream
from naiad.proto.pool import message_class
from naiad.wire.grpc.servicer import SERVICE

_TIMEOUT_S = 20.0
_COMPRESSION = {"": None, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}


def call_grpc(channel: Any, step: Rpc | Stream) -> Any:
    """Return the message as JSON values, or status and details; of a stream the list of messages and its end."""
    return _stream(channel, step) if isinstance(step, Stream) else _unary(channel, step)


def message_of(name: str, fields: Any) -> bytes:
    raw: bytes = fields if isinstance(fields, bytes) else message_class(name)(**fields).SerializeToString()
    return raw


def _unary(channel: Any, step: Rpc) -> Any:
    is_ours = "/" not in step.method
    path = SERVICE + step.method if is_ours else step.method
    raw = message_of(f"{step.method}Request", step.fields) if is_ours else step.fields or b""
    try:
        answer = channel.unary_unary(path)(
            raw, timeout=step.timeout_s, metadata=step.metadata, compression=_COMPRESSION[step.compression]
        )
    except grpc.RpcError as error:
        return {"status": error.code().name, "details": error.details()}
    return _values(f"{step.method}Response", answer) if is_ours else answer


def _stream(channel: Any, step: Stream) -> Any:
    """Requests of a stream may overtake each other when they are sent together; so each waits for the last answer."""
    go: queue.Queue[bytes | None] = queue.Queue()
    waiting = [message_of("ModelInferRequest", fields) for fields in step.requests]
    waiting.reverse()

    def requests() -> Iterator[bytes]:
        while (one := go.get()) is not None:
            yield one

    go.put(waiting.pop() if waiting else None)
    received: list[Any] = []
    call = channel.stream_stream(SERVICE + "ModelStreamInfer")(requests(), timeout=_TIMEOUT_S, metadata=step.metadata)
    try:
        for raw in call:
            received.append(_values("ModelStreamInferResponse", raw))
            go.put(waiting.pop() if waiting else None)
    except grpc.RpcError as error:
        go.put(None)
        return [*received, {"status": error.code().name, "details": error.details()}]
    return [*received, "OK"]


def _values(name: str, raw: bytes) -> Any:
    from google.protobuf.json_format import MessageToDict

    message = message_class(name).FromString(raw)
    return MessageToDict(message, preserving_proto_field_name=True)
