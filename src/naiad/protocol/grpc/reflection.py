"""Server reflection: questions about services and messages → answers, as bytes; pure.

Answers come from the descriptors that the messages themselves are made of. Extensions are a thing of proto2; there are
none, and asking for one is NOT_FOUND.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from naiad.core.errors import MalformedBody
from naiad.proto.pool import file_named, file_of, reflection_class, services

_INVALID_ARGUMENT, _NOT_FOUND = 3, 5
"""gRPC's numbers, which are answered in the stream."""


def answer(raw: bytes) -> bytes:
    """Return the answer to one question. Raises MalformedBody for bytes that are none."""
    from google.protobuf.message import DecodeError

    try:
        question = reflection_class("ServerReflectionRequest").FromString(raw)
    except DecodeError as error:
        raise MalformedBody(f"the {len(raw)} bytes received are not a ServerReflectionRequest: {error}") from error
    made = reflection_class("ServerReflectionResponse")(valid_host=question.host, original_request=question)
    kind = question.WhichOneof("message_request")
    handle = _ANSWERS.get(kind)
    try:
        if handle is None:
            made.error_response.error_code = _INVALID_ARGUMENT
            made.error_response.error_message = "the request asks for nothing"
        else:
            handle(made, getattr(question, kind))
    except KeyError as error:
        made.error_response.error_code = _NOT_FOUND
        made.error_response.error_message = error.args[0]
    serialized: bytes = made.SerializeToString()
    return serialized


def _list_services(made: Any, _: str) -> None:
    for name in services():
        made.list_services_response.service.add(name=name)


def _by_filename(made: Any, name: str) -> None:
    made.file_descriptor_response.file_descriptor_proto.extend(file_named(name))


def _by_symbol(made: Any, symbol: str) -> None:
    made.file_descriptor_response.file_descriptor_proto.extend(file_of(symbol))


def _by_extension(_: Any, extension: Any) -> None:
    file_of(extension.containing_type)
    raise KeyError(f"{extension.containing_type} has no extension {extension.extension_number}")


def _extension_numbers(made: Any, name: str) -> None:
    file_of(name)
    made.all_extension_numbers_response.base_type_name = name


_ANSWERS: Mapping[str, Callable[[Any, Any], None]] = {
    "list_services": _list_services,
    "file_by_filename": _by_filename,
    "file_containing_symbol": _by_symbol,
    "file_containing_extension": _by_extension,
    "all_extension_numbers_of_type": _extension_numbers,
}
