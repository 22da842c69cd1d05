"""A replica without Ray: what it serves, what it swaps, what it refuses. With Ray: `tests/deploy/ray`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, LoadFailed, NotReady
from naiad.proto.pool import message_class
from naiad.ray.grpc_service import SERVICES, Written, add_grpc_service
from naiad.ray.replica import Replica, check_options, read_user_config

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"
SIMPLE, STRING = str(REPOSITORY / "simple"), str(REPOSITORY / "simple_string")
SLOW = """backend: "identity" max_batch_size: 0
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ] output [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
parameters { key: "execute_delay_ms" value { string_value: "300" } }"""


class Context:
    """Of a call, as Ray hands it over."""

    def __init__(self, **metadata: str) -> None:
        self.code: Any = None
        self.details = ""
        self._metadata = metadata

    def invocation_metadata(self) -> list[tuple[str, Any]]:
        return [*self._metadata.items(), ("trace-bin", b"\x00")]

    def set_code(self, code: Any) -> None:
        self.code = code.name

    def set_details(self, details: str) -> None:
        self.details = details


@pytest.fixture
async def replica() -> AsyncIterator[Any]:
    made = Replica(models=[SIMPLE])
    await made.start()
    yield made
    await made.close()


async def call(replica: Any, method: str, message: bytes = b"") -> tuple[Any, Context]:
    context = Context()
    written = await getattr(replica, method)(message, grpc_context=context)
    return written.SerializeToString(), context


async def names(replica: Any) -> list[str]:
    raw, _ = await call(replica, "RepositoryIndex")
    return [row.name for row in message_class("RepositoryIndexResponse").FromString(raw).models]


async def test_every_method_of_the_services_is_one_of_the_replica(replica: Any) -> None:
    assert sum(map(len, SERVICES.values())) > 20
    for methods in SERVICES.values():
        assert [name for name in methods if getattr(Replica, name).__name__ != name] == []
    raw, context = await call(replica, "ServerLive")
    assert (message_class("ServerLiveResponse").FromString(raw).live, context.code) == (True, None)
    assert (await call(replica, "Check"))[0] == b"\x08\x01"


async def test_an_error_is_told_by_the_context(replica: Any) -> None:
    raw, context = await call(
        replica, "ModelMetadata", message_class("ModelMetadataRequest")(name="x").SerializeToString()
    )
    assert (raw, context.code) == (b"", "NOT_FOUND")
    assert "unknown model: 'x'" in context.details


async def test_a_stream(replica: Any) -> None:
    async def none() -> AsyncIterator[bytes]:
        for message in ():
            yield message

    async def wrong() -> AsyncIterator[bytes]:
        yield b"\xff"

    assert [one async for one in replica.ModelStreamInfer(none(), grpc_context=Context())] == []
    context = Context()
    with pytest.raises(Exception, match=r"INTERNAL|INVALID"):
        _ = [one async for one in replica.ModelStreamInfer(wrong(), grpc_context=context)]
    assert context.code


async def test_without_models_it_is_not_healthy_until_it_is_told_of_some() -> None:
    replica = Replica()
    await replica.start()
    with pytest.raises(NotReady, match="no models are named; give `models` or `manifest`"):
        await replica.check_health()
    _, context = await call(replica, "ServerLive")
    assert context.code == "UNAVAILABLE"
    await replica.reconfigure({"models": [SIMPLE]})
    await replica.check_health()
    await replica.close()
    await replica.close()


async def test_other_models_come_beside_the_old_ones_which_answer_what_they_have(tmp_path: Path) -> None:
    (tmp_path / "slow" / "1").mkdir(parents=True)
    (tmp_path / "slow" / "config.pbtxt").write_text(SLOW)
    replica: Any = Replica(models=[str(tmp_path / "slow")])
    await replica.start()
    message = message_class("ModelInferRequest")(model_name="slow", id="9")
    message.inputs.add(name="IN", datatype="INT32", shape=[1]).contents.int_contents.append(7)
    before = asyncio.ensure_future(call(replica, "ModelInfer", message.SerializeToString()))
    await asyncio.sleep(0)
    await replica.reconfigure({"models": [SIMPLE, STRING]})
    assert await names(replica) == ["simple", "simple_string"]
    raw, context = await before
    assert (message_class("ModelInferResponse").FromString(raw).id, context.code) == ("9", None)
    await replica.close()


async def test_models_that_cannot_be_loaded_leave_everything_as_it_was(replica: Any, tmp_path: Path) -> None:
    with pytest.raises((LoadFailed, InvalidConfiguration), match="nothing"):
        await replica.reconfigure({"models": [SIMPLE, str(tmp_path / "nothing")]})
    await replica.check_health()
    assert await names(replica) == ["simple"]


async def test_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "naiad.yaml").write_text(f"models:\n- source: {SIMPLE}\n  name: simple\n")
    replica = Replica(manifest=str(tmp_path / "naiad.yaml"))
    await replica.start()
    assert await names(replica) == ["simple"]
    await replica.close()


async def test_http_is_answered_by_a_response_of_starlettes(replica: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("starlette.responses")
    module.Response = type("Response", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "starlette", ModuleType("starlette"))
    monkeypatch.setitem(sys.modules, "starlette.responses", module)
    from naiad.ray import replica as home

    home._response.cache_clear()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    response = await replica(SimpleNamespace())
    scope = {"type": "http", "method": "GET", "path": "/v2/health/ready", "headers": [], "query_string": b""}
    await response(scope, receive, send)
    home._response.cache_clear()
    assert (isinstance(response, module.Response), sent[0]["status"]) == (True, 200)


@pytest.mark.parametrize(
    ("user_config", "words"),
    [
        ({"modles": []}, "user_config: 'modles' is not known; it may hold models and manifest"),
        ({}, "it names no models"),
        ({"models": "simple"}, "models is a list, such as"),
        ("simple", "user_config: 'simple' is not known"),
    ],
)
def test_a_user_config_that_cannot_be(user_config: Any, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        read_user_config(user_config)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"http_port": 80}, "http_port has no effect behind Ray Serve"),
        ({"model_control_mode": "explicit"}, "model_control_mode cannot be 'explicit' .* would reach one replica"),
        ({"allow_client_shm": True}, "allow_client_shm cannot be True .* different machines"),
        ({"allow_setting_changes": True}, "allow_setting_changes cannot be True"),
    ],
)
def test_options_that_no_replica_can_keep(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        check_options(options)
    with pytest.raises(InvalidConfiguration, match=words):
        Replica(models=[SIMPLE], options=options)


def test_options_that_it_can_keep() -> None:
    check_options({"model_control_mode": "poll", "allow_client_shm": False, "max_waiting": 5})


def test_the_service_is_added_to_a_proxy_its_messages_as_bytes() -> None:
    added: dict[str, Any] = {}

    class Proxy:
        def add_generic_rpc_handlers(self, handlers: Any) -> None:
            added.update(handlers[0]._method_handlers)

    add_grpc_service(SimpleNamespace(**{name: None for names in SERVICES.values() for name in names}), Proxy())
    assert added.keys() == {f"/{service}/{name}" for service, names in SERVICES.items() for name in names}
    assert {one.request_deserializer for one in added.values()} == {None}
    streams = [path for path, one in added.items() if one.request_streaming and one.response_streaming]
    assert streams == ["/inference.GRPCInferenceService/ModelStreamInfer"]
    assert Written(b"x").SerializeToString() == b"x"
