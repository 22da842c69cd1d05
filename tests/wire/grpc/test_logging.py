"""Log settings over gRPC, by hand and by Triton's clients; the line for each call of a verbose log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from log_start import START

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")
triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
CHANGE = {"log_info": False, "log_verbose_level": 1, "log_format": "ISO8601"}
BACK = {key: START[key] for key in CHANGE}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    level = logging.getLogger("naiad").level
    with running_server(str(SIMPLE), allow_setting_changes=True) as running:
        yield running
    logging.getLogger("naiad").setLevel(level)


def ask(channel: Any, settings: dict[str, dict[str, Any]]) -> Any:
    request = message_class("LogSettingsRequest")()
    for key, value in settings.items():
        request.settings[key].SetInParent()
        for field, content in value.items():
            setattr(request.settings[key], field, content)
    try:
        raw = channel.unary_unary(SERVICE + "LogSettings")(request.SerializeToString(), timeout=30)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    answer = message_class("LogSettingsResponse").FromString(raw).settings
    return {key: getattr(answer[key], answer[key].WhichOneof("parameter_choice")) for key in answer}


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"log_info": {"uint32_param": 1}}, "INVALID_ARGUMENT", "expect boolean for 'log_info'"),
        ({"log_warning": {"string_param": "x"}}, "INVALID_ARGUMENT", "expect boolean for 'log_warning'"),
        ({"log_error": {}}, "INVALID_ARGUMENT", "expect boolean for 'log_error'"),
        ({"log_verbose_level": {"string_param": "1"}}, "INVALID_ARGUMENT", "expect int32 for 'log_verbose_level'"),
        ({"log_format": {"uint32_param": 1}}, "INVALID_ARGUMENT", "expect string for 'log_format'"),
        ({"log_format": {"string_param": "x"}}, "INVALID_ARGUMENT", "invalid argument for log_format, got: x"),
        (
            {"log_file": {}},
            "UNIMPLEMENTED",
            "log file location can not be updated through network protocol",
        ),
        (
            {"log_error": {"bool_param": False}, "log_info": {"string_param": "x"}},
            "INVALID_ARGUMENT",
            "expect boolean for 'log_info'",
        ),
    ],
)
def test_what_is_refused_changes_nothing(
    server: RunningServer, settings: dict[str, dict[str, Any]], status: str, words: str
) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        assert ask(channel, settings) == (status, words)
        assert ask(channel, {}) == START


def test_unknown_keys_are_ignored(server: RunningServer) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        assert ask(channel, {"foo": {"string_param": "x"}}) == START


@pytest.mark.parametrize("module", [triton, http], ids=["grpc", "http"])
def test_tritons_clients_get_and_update_them(server: RunningServer, module: Any) -> None:
    def plain(settings: Any) -> dict[str, Any]:
        if module is http:
            return dict(settings)
        found = settings.settings
        return {key: getattr(found[key], found[key].WhichOneof("parameter_choice")) for key in found}

    address = server.grpc_address if module is triton else server.address
    with module.InferenceServerClient(address) as client:
        assert plain(client.get_log_settings()) == START
        assert plain(client.update_log_settings(CHANGE)) == START | CHANGE
        assert plain(client.update_log_settings(BACK)) == plain(client.get_log_settings()) == START
        with pytest.raises(utils.InferenceServerException, match="log file location can not be updated"):
            client.update_log_settings({"log_file": "x"})


def test_tritons_asynchronous_clients(server: RunningServer) -> None:
    import tritonclient.grpc.aio
    import tritonclient.http.aio

    async def levels() -> list[int]:
        async with tritonclient.http.aio.InferenceServerClient(server.address) as client:
            changed = await client.update_log_settings({"log_verbose_level": 3})
            seen = [changed["log_verbose_level"], (await client.get_log_settings())["log_verbose_level"]]
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc_address) as client:
            settings = (await client.get_log_settings(as_json=True))["settings"]
            await client.update_log_settings(BACK)
            return [*seen, settings["log_verbose_level"]["uint32_param"]]

    assert asyncio.run(levels()) == [3, 3, 3]


def test_a_verbose_log_has_a_line_for_each_call(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    with grpc.insecure_channel(server.grpc_address) as channel:
        channel.unary_unary(SERVICE + "ServerLive")(b"", timeout=30)
        assert caplog.messages == []
        ask(channel, {"log_verbose_level": {"uint32_param": 1}})
        channel.unary_unary(SERVICE + "ServerLive")(b"", timeout=30)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(SERVICE + "ModelInfer")(b"", timeout=30)
        ask(channel, {"log_verbose_level": {"uint32_param": 0}})
    server.run(lambda: asyncio.sleep(0))  # a line is written just after the answer
    lines = [message.rpartition(" ")[0].rpartition(" ")[0] for message in caplog.messages[:2]]
    assert lines == [f"{SERVICE}ServerLive OK", f"{SERVICE}ModelInfer NOT_FOUND"]
