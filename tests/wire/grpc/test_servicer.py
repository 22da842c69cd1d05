"""What each RPC means, without a transport: calls are made of lists, the model answers when it is told to."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from naiad.core.errors import ModelFailed
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.observe.statistics import ModelStatistics
from naiad.proto.pool import message_class
from naiad.protocol.limits import Limits
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.overview import Overview
from naiad.serving.response_sender import ResponseSender
from naiad.serving.validation import RequestCheck
from naiad.serving.worker import SHORT_BYTES
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.compression import Packed, pack
from naiad.wire.grpc.servicer import HEALTH, SERVICE, Servicer
from naiad.wire.services import Services
from naiad.wire.waiting import REQUEST_BYTES, Account, Waiting

CONFIG = ModelConfig(
    "held",
    backend="identity",
    max_batch_size=4,
    inputs=(TensorConfig("x", "INT32", (2,)),),
    outputs=(TensorConfig("y", "INT32", (2,)),),
    document={"name": "held", "max_batch_size": 4},
)


class Held:
    """A model that answers when the test says so."""

    name, version, config = "held", "1", CONFIG

    def __init__(self) -> None:
        self.statistics = ModelStatistics("held", "1")
        self.labels: dict[str, list[str]] = {}
        self.has_rows = True
        self.waiting: dict[str, ResponseSender] = {}

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        RequestCheck(CONFIG).rows(request)
        self.waiting[request.id] = sender
        sender.on_cancel = lambda: self.waiting.pop(request.id)

    def answer(self, identity: str, *, is_last: bool = True) -> None:
        tensor = Tensor("y", "INT32", np.array([[1, 2]], np.int32))
        self.give(identity, InferResponse("held", "1", [tensor], identity), is_last)

    def give(self, identity: str, answer: Answer, is_last: bool = True) -> None:
        (self.waiting.pop if is_last else self.waiting.__getitem__)(identity).send(answer, is_last)

    async def drain(self) -> None:
        assert not self.waiting

    def close(self) -> None:
        pass


class ListCall:
    """A call whose client is the test."""

    begun_s = 0.0
    encoding = ""

    def __init__(self, method: str, metadata: dict[str, str] | None = None, account: Account | None = None) -> None:
        self.method = method
        self.metadata = metadata or {}
        self.account = account or Account()
        self.deadline_s: float | None = None
        self.on_message: Callable[[bytes], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self.sent: list[bytes] = []
        self.ends: list[tuple[str, str]] = []
        self.is_cancelled = False

    def compress(self, level: str) -> None:
        """Its client takes no compression."""

    def pack(self, message: bytes) -> Packed:
        return pack(message, "")

    def send(self, message: bytes | Packed) -> None:
        if not self.ends and not self.is_cancelled:
            self.sent.append(message.data if isinstance(message, Packed) else message)

    def answer(self, message: bytes | Packed) -> None:
        self.send(message)
        self.finish()

    def finish(self, status: str = "OK", message: str = "") -> None:
        if not self.ends and not self.is_cancelled:
            self.ends.append((status, message))
            self.on_message = self.on_end = None

    def receive(self, *messages: bytes, ends: bool = False) -> None:
        """Let the client send messages, and half-close."""
        for message in messages:
            if self.on_message is not None:
                self.on_message(message)
        if ends and self.on_end is not None:
            self.on_end()

    def cancel(self) -> None:
        """Let the client go away."""
        self.is_cancelled = True
        self.on_message = self.on_end = None
        if self.on_cancel is not None:
            self.on_cancel()

    def stream_answers(self) -> list[tuple[str, str, bool]]:
        """Of a stream: (id, error, final) of every message so far; refusals have no flag."""
        read = [message_class("ModelStreamInferResponse").FromString(raw) for raw in self.sent]
        return [
            (
                one.infer_response.id,
                one.error_message,
                one.infer_response.parameters["triton_final_response"].bool_param,
            )
            for one in read
        ]


class Door:
    """A servicer with the held model."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - a frozen value
        self.model = Held()
        catalog = Catalog()
        catalog.add(self.model)
        self.engine = Engine(catalog)
        self.servicer = Servicer(Services(self.engine, Overview(self.engine, "triton")), limits)

    def open(self, method: str, metadata: dict[str, str] | None = None, account: Account | None = None) -> ListCall:
        call = ListCall(method if method.startswith("/") else SERVICE + method, metadata, account)
        as_seen: Call = call
        self.servicer(as_seen)
        return call

    def ask(self, method: str, /, **fields: Any) -> Any:
        """The answer of a unary method, or the status and words it fails with."""
        return self.read(method, self.send(method, **fields))

    def send(self, method: str, /, **fields: Any) -> ListCall:
        call = self.open(method)
        call.receive(message_class(f"{method}Request")(**fields).SerializeToString(), ends=True)
        return call

    def read(self, method: str, call: ListCall) -> Any:
        """What `ask` answers."""
        if call.ends != [("OK", "")]:
            assert not call.sent
            return call.ends[0]
        (raw,) = call.sent
        return message_class(f"{method}Response").FromString(raw)


def infer_message(identity: str = "", model: str = "held") -> bytes:
    inputs = [{"name": "x", "datatype": "INT32", "shape": [1, 2], "contents": {"int_contents": [3, 4]}}]
    raw: bytes = message_class("ModelInferRequest")(model_name=model, id=identity, inputs=inputs).SerializeToString()
    return raw


def test_methods_that_read() -> None:
    door = Door()
    assert door.ask("ServerLive").live
    assert door.ask("ServerReady").ready
    assert door.ask("ModelReady", name="held").ready
    assert not door.ask("ModelReady", name="nope").ready
    assert door.ask("ServerMetadata").name == "triton"
    metadata = door.ask("ModelMetadata", name="held", version="1")
    assert (metadata.versions, metadata.platform, list(metadata.inputs[0].shape)) == (["1"], "identity", [-1, 2])
    assert door.ask("ModelConfig", name="held").config.max_batch_size == 4
    door.model.statistics.record_run(3, 0.1, 0.2, 0.3)
    (row,) = door.ask("ModelStatistics").model_stats
    assert (row.name, row.execution_count, row.batch_stats[0].batch_size) == ("held", 1, 3)
    assert row.batch_stats[0].compute_infer.ns == 200_000_000


async def test_the_index_is_answered_once_it_has_been_looked_up() -> None:
    door = Door()
    for ready in (True, False):
        call = door.send("RepositoryIndex", ready=ready)
        assert not call.sent
        for _ in range(3):  # turns of the loop
            await asyncio.sleep(0)
        (entry,) = door.read("RepositoryIndex", call).models
        assert (entry.name, entry.version, entry.state) == ("held", "1", "READY")


@pytest.mark.parametrize(
    ("name", "fields", "status", "words"),
    [
        ("ModelMetadata", {"name": "held", "version": "7"}, "NOT_FOUND", "'held' version 7 is not found"),
        ("ModelConfig", {"name": "held", "version": "x"}, "INVALID_ARGUMENT", "(details: stol)"),
        ("ModelStatistics", {"name": "nope"}, "INVALID_ARGUMENT", "requested model 'nope' is not available"),
        (
            "RepositoryIndex",
            {"repository_name": "r"},
            "UNIMPLEMENTED",
            "'repository_name' specification is not supported",
        ),
        ("RepositoryModelLoad", {"model_name": "m"}, "UNAVAILABLE", "explicit model load / unload is not allowed"),
        ("RepositoryModelUnload", {"repository_name": "r"}, "UNIMPLEMENTED", "'repository_name' specification"),
        ("SystemSharedMemoryRegister", {"name": "r"}, "UNIMPLEMENTED", "Client shared memory is disabled."),
        ("SystemSharedMemoryUnregister", {}, "UNIMPLEMENTED", "Client shared memory is disabled."),
        ("SystemSharedMemoryStatus", {"name": "r"}, "NOT_FOUND", "Unable to find system shared memory region: 'r'"),
        ("CudaSharedMemoryRegister", {"name": "r"}, "UNIMPLEMENTED", "Client shared memory is disabled."),
        ("CudaSharedMemoryUnregister", {}, "UNIMPLEMENTED", "Client shared memory is disabled."),
        ("TraceSetting", {"model_name": "nope"}, "INVALID_ARGUMENT", "Request for unknown model : nope"),
        ("LogSettings", {"settings": {"log_info": {"string_param": "x"}}}, "INVALID_ARGUMENT", "expect boolean for"),
    ],
)
def test_methods_that_refuse(name: str, fields: dict[str, Any], status: str, words: str) -> None:
    got, message = Door().ask(name, **fields)
    assert got == status
    assert words in message


def test_there_are_no_regions() -> None:
    assert not Door().ask("SystemSharedMemoryStatus").regions
    assert not Door().ask("CudaSharedMemoryStatus").regions


def test_every_method_of_the_service_is_answered() -> None:
    service = message_class("ModelInferRequest").DESCRIPTOR.file.services_by_name["GRPCInferenceService"]
    assert len(service.methods) == 20
    for method in service.methods:
        assert not Door().open(method.name).ends, method.name


def test_a_method_that_there_is_not() -> None:
    assert Door().open("Nope").ends == [("UNIMPLEMENTED", f"there is no method {SERVICE}Nope")]


def test_a_call_without_a_message_and_one_that_cannot_be_read() -> None:
    for name in ("ServerLive", "ModelInfer"):
        empty = Door().open(name)
        empty.receive(ends=True)
        assert empty.ends == [("INTERNAL", "the call ended without a request message")]
    for name in ("ModelReady", "ModelInfer", "ModelStreamInfer"):
        broken = Door().open(name)
        broken.receive(b"\xff")
        assert broken.ends[0][0] == "INTERNAL", name


async def test_health_follows_readiness() -> None:
    door = Door()
    ready, stopping = door.open(HEALTH), door.open(HEALTH)
    ready.receive(b"", ends=True)
    await door.engine.drain()
    stopping.receive(b"\x0a\x01x", ends=True)
    assert (ready.sent, stopping.sent) == ([b"\x08\x01"], [b"\x08\x02"])
    assert (ready.ends, stopping.ends) == ([("OK", "")], [("OK", "")])


def test_infer() -> None:
    door = Door()
    call = door.open("ModelInfer")
    call.receive(infer_message("a"), ends=True)
    assert not call.ends
    door.model.answer("a")
    (raw,) = call.sent
    message = message_class("ModelInferResponse").FromString(raw)
    assert (message.id, message.raw_output_contents[0]) == ("a", np.array([1, 2], np.int32).tobytes())
    assert "triton_final_response" not in message.parameters
    assert call.ends == [("OK", "")]


def test_infer_fails_by_status() -> None:
    door = Door()
    failed, unknown, twice = (door.open("ModelInfer") for _ in range(3))
    failed.receive(infer_message("a"), ends=True)
    door.model.give("a", ModelFailed("it broke"))
    unknown.receive(infer_message(model="nope"), ends=True)
    twice.receive(infer_message("b"), infer_message("c"))
    assert failed.ends == [("INTERNAL", "it broke")]
    assert unknown.ends == [("NOT_FOUND", "Request for unknown model: 'nope' is not found")]
    assert twice.ends == [("INTERNAL", "ModelInfer takes one message")]
    assert not door.model.waiting


@pytest.mark.parametrize("name", ["ModelInfer", "ModelStreamInfer"])
@pytest.mark.parametrize("how", ["answered", "refused", "cancelled"])
def test_nothing_of_a_call_is_left_for_the_garbage_collector(name: str, how: str) -> None:
    door = Door()
    call = door.open(name)
    call.receive(infer_message("a", "nope" if how == "refused" else "held"), ends=True)
    if how == "answered":
        door.model.answer("a")
    if how == "cancelled":
        call.cancel()
    left = weakref.ref(call)
    gc.disable()
    try:
        del call
        assert left() is None
    finally:
        gc.enable()


def test_cancelling_withdraws_the_request() -> None:
    door = Door()
    call = door.open("ModelInfer")
    call.receive(infer_message("a"), ends=True)
    assert list(door.model.waiting) == ["a"]
    call.cancel()
    assert not door.model.waiting
    assert (call.sent, call.ends) == ([], [])


def test_a_stream_answers_in_order_and_lives_on_after_an_error() -> None:
    door = Door()
    call = door.open("ModelStreamInfer")
    call.receive(infer_message("a"), infer_message("b", "nope"), infer_message("c"))
    door.model.answer("c")
    assert call.sent == []
    door.model.give("a", ModelFailed("it broke"))
    assert call.stream_answers() == [
        ("a", "it broke", True),
        ("b", "Request for unknown model: 'nope' is not found", False),
        ("c", "", True),
    ]
    call.receive(infer_message("d"), ends=True)
    assert not call.ends
    door.model.answer("d")
    assert call.stream_answers()[3:] == [("d", "", True)]
    assert call.ends == [("OK", "")]


def test_several_answers_to_one_request_of_a_stream() -> None:
    door = Door()
    call = door.open("ModelStreamInfer")
    call.receive(infer_message("a"), infer_message("b"), ends=True)
    door.model.answer("b", is_last=False)
    door.model.answer("a", is_last=False)
    assert call.stream_answers() == [("a", "", False)]
    door.model.answer("a")
    door.model.answer("b")
    assert call.stream_answers() == [("a", "", False), ("a", "", True), ("b", "", False), ("b", "", True)]
    assert call.ends == [("OK", "")]


def test_a_request_that_is_wrong_is_told_in_the_stream() -> None:
    call = Door().open("ModelStreamInfer")
    wrong = message_class("ModelInferRequest")(model_name="held", id="w", inputs=[{"name": "x", "datatype": "INT32"}])
    call.receive(wrong.SerializeToString(), ends=True)
    assert call.stream_answers() == [
        ("w", "unable to find data for input tensor 'x' for model 'held' in request.", False)
    ]
    assert call.ends == [("OK", "")]


def unsendable() -> InferResponse:
    parameters: dict[str, Any] = {"mine": 2**70}
    return InferResponse("held", "1", [], "a", parameters)


def test_a_mistake_of_ours_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    door = Door()
    unary, stream = door.open("ModelInfer"), door.open("ModelStreamInfer")
    for call in (unary, stream):
        call.receive(infer_message("a"))
        door.model.give("a", unsendable())
    assert unary.ends == [("INTERNAL", "internal error")]
    assert stream.stream_answers() == [("a", "internal error", True)]
    stream.receive(infer_message("b"), ends=True)
    door.model.answer("b")
    assert stream.stream_answers()[1:] == [("b", "", True)]
    door.model.config = replace(CONFIG, document={"nope": 1})
    assert door.ask("ModelConfig", name="held") == ("INTERNAL", "internal error")
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


def test_an_empty_stream_ends_well() -> None:
    call = Door().open("ModelStreamInfer")
    call.receive(ends=True)
    assert call.ends == [("OK", "")]


def test_errors_by_status_end_a_stream_and_withdraw_the_rest() -> None:
    door = Door()
    call = door.open("ModelStreamInfer", {"triton_grpc_error": "true"})
    call.receive(infer_message("a"), infer_message("b"), infer_message("c"))
    door.model.answer("a")
    door.model.give("b", ModelFailed("it broke"))
    assert call.stream_answers() == [("a", "", True)]
    assert call.ends == [("INTERNAL", "it broke")]
    assert not door.model.waiting
    call.receive(infer_message("d"))
    assert not door.model.waiting


def test_cancelling_a_stream_withdraws_all_its_requests() -> None:
    door = Door()
    call = door.open("ModelStreamInfer")
    call.receive(infer_message("a"), infer_message("b"))
    call.cancel()
    assert not door.model.waiting
    assert (call.sent, call.ends) == ([], [])


def test_the_requests_of_a_stream_are_bounded() -> None:
    door = Door(Limits(stream_requests=2))
    call = door.open("ModelStreamInfer")
    call.receive(infer_message("a"), infer_message("b"), infer_message("c"))
    assert call.ends == [("RESOURCE_EXHAUSTED", "2 requests of this stream are still waiting for answers")]
    assert not door.model.waiting


async def test_a_server_that_stops_takes_no_requests_and_ends_its_streams() -> None:
    door = Door()
    idle = door.open("ModelStreamInfer")
    await door.engine.drain()
    door.servicer.end_streams()
    gone = ("UNAVAILABLE", "GRPC server is shutting down and has stopped accepting new requests.")
    assert idle.ends == [gone]
    for name in ("ModelInfer", "ModelStreamInfer"):
        assert door.open(name).ends == [gone]
    assert door.ask("ServerLive").live, "or it would be killed in the middle of its last answers"
    assert not door.ask("ServerReady").ready


SIZE = REQUEST_BYTES + len(infer_message("a"))


@pytest.mark.parametrize("how", ["answered", "failed", "cancelled"])
@pytest.mark.parametrize("name", ["ModelInfer", "ModelStreamInfer"])
def test_requests_that_wait_are_bounded_by_their_bytes(name: str, how: str) -> None:
    door, account = Door(), Account(Waiting(10 * SIZE, 2 * SIZE))
    calls = [door.open(name, account=account) for _ in range(3)]
    for identity, call in zip("abc", calls, strict=True):
        call.receive(infer_message(identity), ends=True)
    assert list(door.model.waiting) == ["a", "b"]
    ((status, words),) = calls[2].ends
    assert (status, "would wait for this connection" in words) == ("RESOURCE_EXHAUSTED", True)
    assert account.bytes == 2 * SIZE
    for identity, call in zip("ab", calls, strict=False):
        if how == "cancelled":
            call.cancel()
        elif how == "failed":
            door.model.give(identity, ModelFailed("it broke"))
        else:
            door.model.answer(identity)
    assert (account.bytes, account.waiting.bytes) == (0, 0)


def test_answers_of_a_stream_that_wait_for_their_turn_are_counted() -> None:
    door, account = Door(), Account(Waiting())
    call = door.open("ModelStreamInfer", account=account)
    call.receive(infer_message("a"), infer_message("b"))
    door.model.answer("b")
    assert account.bytes == 2 * SIZE + 8
    door.model.answer("a")
    assert account.bytes == 0


def long_message(identity: str, count: int) -> bytes:
    """A request whose typed numbers take long to read."""
    inputs = [{"name": "x", "datatype": "INT32", "shape": [1, count], "contents": {"int_contents": [300] * count}}]
    raw: bytes = message_class("ModelInferRequest")(model_name="held", id=identity, inputs=inputs).SerializeToString()
    assert len(raw) > SHORT_BYTES
    return raw


async def test_a_long_message_is_read_beside_the_loop_and_refused_as_any_other() -> None:
    door, account = Door(), Account(Waiting())
    call, gone = door.open("ModelInfer", account=account), door.open("ModelInfer", account=account)
    call.receive(long_message("a", 100_000), ends=True)
    gone.receive(long_message("b", 100_000), ends=True)
    assert not call.ends
    gone.cancel()
    await asyncio.wait_for(door.engine.worker.quiet(), 20)
    await asyncio.sleep(0)
    ((status, words),) = call.ends
    assert (status, "unexpected shape for input 'x'" in words) == ("INVALID_ARGUMENT", True)
    assert (gone.ends, account.bytes) == ([], 0)


async def test_messages_behind_a_long_one_on_a_stream_are_taken_up_after_it() -> None:
    door, account = Door(), Account(Waiting())
    call = door.open("ModelStreamInfer", account=account)
    call.receive(long_message("a", 100_000), infer_message("b"), ends=True)
    assert not door.model.waiting
    await asyncio.wait_for(door.engine.worker.quiet(), 20)
    await asyncio.sleep(0)
    assert list(door.model.waiting) == ["b"]
    door.model.answer("b")
    assert [one[0] for one in call.stream_answers()] == ["a", "b"]
    assert (call.ends, account.bytes) == ([("OK", "")], 0)


async def test_long_messages_that_are_being_read_are_answered_though_the_server_drains() -> None:
    door = Door()
    call = door.open("ModelInfer")
    call.receive(long_message("a", 100_000), ends=True)
    await asyncio.wait_for(door.engine.drain(), 20)
    assert call.ends[0][0] == "INVALID_ARGUMENT", "the model has looked at it"
