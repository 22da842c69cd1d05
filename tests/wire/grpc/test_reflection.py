"""Server reflection, asked through grpcio as any tool would: what it tells must be enough to make a call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from naiad.core.errors import MalformedBody
from naiad.proto.pool import message_class, reflection_class
from naiad.proto.small_services import REFLECTION_PACKAGES
from naiad.protocol.grpc.reflection import answer
from naiad.testing import RunningServer, running_server

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
WAIT_S = 30.0
GRPC_TRANSPORTS = ("http2", "aio")


def question(**asked: Any) -> bytes:
    return reflection_class("ServerReflectionRequest")(**asked).SerializeToString()


def told(**asked: Any) -> Any:
    return reflection_class("ServerReflectionResponse").FromString(answer(question(**asked)))


def names(response: Any) -> list[str]:
    return [
        descriptor_pb2.FileDescriptorProto.FromString(raw).name
        for raw in response.file_descriptor_response.file_descriptor_proto
    ]


def test_services_are_listed() -> None:
    response = told(list_services="*", host="here")
    assert [service.name for service in response.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "inference.GRPCInferenceService",
    ]
    assert (response.valid_host, response.original_request.list_services) == ("here", "*")


@pytest.mark.parametrize(
    "symbol",
    [
        "inference.GRPCInferenceService",
        "inference.GRPCInferenceService.ModelInfer",
        "inference.ModelInferRequest",
        "inference.ModelInferRequest.InferInputTensor",
        "inference.ModelInferRequest.raw_input_contents",
    ],
)
def test_a_symbol_leads_to_its_file_and_those_it_needs(symbol: str) -> None:
    assert names(told(file_containing_symbol=symbol)) == ["grpc_service.proto", "model_config.proto"]


@pytest.mark.parametrize(
    "name", ["model_config.proto", "grpc/health/v1/health.proto", "grpc/reflection/v1alpha/reflection.proto"]
)
def test_files_are_found_by_name(name: str) -> None:
    assert names(told(file_by_filename=name)) == [name]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"file_by_filename": "nothing.proto"}, "File not found: nothing.proto"),
        ({"file_containing_symbol": "inference.Nothing"}, "Symbol not found: inference.Nothing"),
        ({"file_containing_symbol": ""}, "Symbol not found: "),
        (
            {"file_containing_symbol": "inference.ModelConfig.nothing"},
            "Symbol not found: inference.ModelConfig.nothing",
        ),
        ({"all_extension_numbers_of_type": "x.Y"}, "Symbol not found: x.Y"),
        (
            {"file_containing_extension": {"containing_type": "inference.ModelConfig", "extension_number": 7}},
            "inference.ModelConfig has no extension 7",
        ),
    ],
)
def test_what_is_not_there_is_an_error_in_the_stream(asked: dict[str, Any], message: str) -> None:
    error = told(**asked).error_response
    assert (error.error_code, error.error_message) == (grpc.StatusCode.NOT_FOUND.value[0], message)


def test_there_are_no_extensions() -> None:
    response = told(all_extension_numbers_of_type="inference.ModelConfig").all_extension_numbers_response
    assert (response.base_type_name, list(response.extension_number)) == ("inference.ModelConfig", [])


def test_a_question_that_asks_for_nothing() -> None:
    assert told().error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_bytes_that_are_no_question() -> None:
    with pytest.raises(MalformedBody, match="are not a ServerReflectionRequest"):
        answer(b"\xff\xff\xff")


@pytest.fixture(scope="module", params=GRPC_TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with running_server(str(SIMPLE), grpc_transport=request.param) as running:
        yield running


@pytest.mark.parametrize("package", REFLECTION_PACKAGES)
def test_a_client_that_knows_nothing_can_make_a_call(server: RunningServer, package: str) -> None:
    """All it has is what reflection gives; the questions go over one stream."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        ask = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo")
        asked = [question(list_services=""), question(file_containing_symbol="inference.GRPCInferenceService")]
        listed, described = (
            reflection_class("ServerReflectionResponse").FromString(raw) for raw in ask(iter(asked), timeout=WAIT_S)
        )
        assert "inference.GRPCInferenceService" in [service.name for service in listed.list_services_response.service]
        pool = descriptor_pool.DescriptorPool()
        for raw in reversed(described.file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(raw)
        method = pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name["ModelReady"]
        made = message_factory.GetMessageClass(method.input_type)(name="simple")
        call = channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
        answered = message_factory.GetMessageClass(method.output_type).FromString(
            call(made.SerializeToString(), timeout=WAIT_S)
        )
        assert answered.ready


@pytest.mark.parametrize("level", ["low", "medium"])
@pytest.mark.parametrize("transport", GRPC_TRANSPORTS)
def test_inference_answers_are_compressed_when_told_to(transport: str, level: str) -> None:
    """The client inflates them; the answer is the same. Other answers are not compressed, as in Triton."""
    make = message_class("ModelInferRequest")
    request = make(model_name="simple", raw_input_contents=[bytes(64), bytes(64)])
    for name in ("INPUT0", "INPUT1"):
        request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
    with (
        running_server(str(SIMPLE), grpc_transport=transport, grpc_infer_response_compression_level=level) as running,
        grpc.insecure_channel(running.grpc_address) as channel,
    ):
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        call = infer.with_call(request.SerializeToString(), timeout=WAIT_S)
        response = message_class("ModelInferResponse").FromString(call[0])
        assert list(response.raw_output_contents) == [bytes(64), bytes(64)]
