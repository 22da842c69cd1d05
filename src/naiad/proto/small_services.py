"""The two services beside inference that every gRPC server has: health and reflection, as file descriptors.

They are small enough to be written here, field by field; reflection comes twice, because clients ask for the older
name first or only. protobuf is imported on first use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

_Field = tuple[str, int, str, bool, bool]
"""Name, number, `string`, `bytes`, `int32` or the full name of a message or enum, is repeated, is one of the choice."""

_HEALTH: Mapping[str, Sequence[_Field]] = {
    "HealthCheckRequest": [("service", 1, "string", False, False)],
    "HealthCheckResponse": [("status", 1, "HealthCheckResponse.ServingStatus", False, False)],
}
_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")

_REFLECTION: Mapping[str, Sequence[_Field]] = {
    "ServerReflectionRequest": [
        ("host", 1, "string", False, False),
        ("file_by_filename", 3, "string", False, True),
        ("file_containing_symbol", 4, "string", False, True),
        ("file_containing_extension", 5, "ExtensionRequest", False, True),
        ("all_extension_numbers_of_type", 6, "string", False, True),
        ("list_services", 7, "string", False, True),
    ],
    "ExtensionRequest": [
        ("containing_type", 1, "string", False, False),
        ("extension_number", 2, "int32", False, False),
    ],
    "ServerReflectionResponse": [
        ("valid_host", 1, "string", False, False),
        ("original_request", 2, "ServerReflectionRequest", False, False),
        ("file_descriptor_response", 4, "FileDescriptorResponse", False, True),
        ("all_extension_numbers_response", 5, "ExtensionNumberResponse", False, True),
        ("list_services_response", 6, "ListServiceResponse", False, True),
        ("error_response", 7, "ErrorResponse", False, True),
    ],
    "FileDescriptorResponse": [("file_descriptor_proto", 1, "bytes", True, False)],
    "ExtensionNumberResponse": [
        ("base_type_name", 1, "string", False, False),
        ("extension_number", 2, "int32", True, False),
    ],
    "ListServiceResponse": [("service", 1, "ServiceResponse", True, False)],
    "ServiceResponse": [("name", 1, "string", False, False)],
    "ErrorResponse": [("error_code", 1, "int32", False, False), ("error_message", 2, "string", False, False)],
}
_CHOICES = {"ServerReflectionRequest": "message_request", "ServerReflectionResponse": "message_response"}
REFLECTION_PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


@cache
def small_files() -> tuple[Any, ...]:
    """Return the FileDescriptorProtos."""
    health = _file("grpc/health/v1/health.proto", "grpc.health.v1", _HEALTH)
    states = next(made for made in health.message_type if made.name == "HealthCheckResponse").enum_type.add(
        name="ServingStatus"
    )
    for number, name in enumerate(_STATES):
        states.value.add(name=name, number=number)
    service = health.service.add(name="Health")
    _method(service, health.package, "Check", "HealthCheckRequest", "HealthCheckResponse")
    files = [health]
    for package in REFLECTION_PACKAGES:
        made = _file(f"{package.replace('.', '/')}/reflection.proto", package, _REFLECTION)
        service = made.service.add(name="ServerReflection")
        types = "ServerReflectionRequest", "ServerReflectionResponse"
        _method(service, package, "ServerReflectionInfo", *types, streams=True)
        files.append(made)
    return tuple(files)


def _file(name: str, package: str, messages: Mapping[str, Sequence[_Field]]) -> Any:
    from google.protobuf import descriptor_pb2

    made = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message, fields in messages.items():
        described = made.message_type.add(name=message)
        if message in _CHOICES:
            described.oneof_decl.add(name=_CHOICES[message])
        for field in fields:
            _add_field(described, package, field)
    return made


def _add_field(message: Any, package: str, field: _Field) -> None:
    name, number, kind, is_repeated, is_choice = field
    numbers = type(message).DESCRIPTOR.fields_by_name["field"].message_type.enum_types_by_name["Type"].values_by_name
    made = message.field.add(name=name, number=number, label=3 if is_repeated else 1)
    if kind[0].islower():
        made.type = numbers[f"TYPE_{kind.upper()}"].number
    else:
        made.type = numbers["TYPE_ENUM" if "." in kind else "TYPE_MESSAGE"].number
        made.type_name = f".{package}.{kind}"
    if is_choice:
        made.oneof_index = 0


def _method(service: Any, package: str, name: str, asks: str, answers: str, *, streams: bool = False) -> None:
    service.method.add(
        name=name,
        input_type=f".{package}.{asks}",
        output_type=f".{package}.{answers}",
        client_streaming=streams,
        server_streaming=streams,
    )
