"""Messages that are not hot: bytes → message, JSON values → bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.core.errors import MalformedBody
from naiad.proto.pool import message_class


def parse(name: str, raw: bytes) -> Any:
    """Parse a message of the package `inference`. Raises MalformedBody."""
    try:
        return message_class(name).FromString(raw)
    except _decode_error() as error:
        raise MalformedBody("Unable to parse request", kind=name) from error


def _decode_error() -> type[Exception]:
    """Return protobuf's class; an import statement on the hot path would take longer than most messages."""
    from google.protobuf.message import DecodeError

    return DecodeError


def encode(name: str, document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a message given as JSON values, the ones that the HTTP door would send."""
    from google.protobuf import json_format

    message = json_format.ParseDict(dict(document), message_class(name)())
    serialized: bytes = message.SerializeToString()
    return serialized


def document_of(message: Any) -> dict[str, Any]:
    """Return a message as JSON values, under the names of its fields; what is not set is absent."""
    from google.protobuf import json_format

    document: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return document
