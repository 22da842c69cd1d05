"""Log and trace settings of a server that does not let its clients change them: `naiad serve` as it starts."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naiad.proto.pool import message_class
from naiad.testing import RunningServer, running_server
from naiad.wire.grpc.servicer import SERVICE

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (requirements/base.txt)")

SIMPLE = Path(__file__).parents[1] / "data" / "model_repository" / "simple"
CLOSED = "Changes of {} settings are disabled. Start the server with '--allow-setting-changes' to enable."


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(str(SIMPLE)) as running:
        yield running


def ask(server: RunningServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, path, json.dumps(body))
    answer = connection.getresponse()
    document = json.loads(answer.read())
    connection.close()
    return answer.status, document


@pytest.mark.parametrize(
    ("path", "change", "kind"),
    [
        ("/v2/logging", {"log_error": False}, "log"),
        ("/v2/logging", {"log_verbose_level": 1}, "log"),
        ("/v2/trace/setting", {"trace_rate": "1"}, "trace"),
        ("/v2/trace/setting", {"trace_rate": None}, "trace"),
        ("/v2/models/simple/trace/setting", {"trace_level": ["TIMESTAMPS"]}, "trace"),
    ],
)
def test_over_http_settings_are_read_and_not_changed(server: RunningServer, path: str, change: Any, kind: str) -> None:
    """Any client could switch error messages off, and have every request written to a file."""
    before = ask(server, "GET", path)
    assert before[0] == 200
    assert ask(server, "POST", path, change) == (501, {"error": CLOSED.format(kind)})
    assert ask(server, "POST", path, {}) == ask(server, "GET", path) == before


def call(server: RunningServer, method: str, request: Any) -> Any:
    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            raw = channel.unary_unary(SERVICE + method)(request.SerializeToString(), timeout=30)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return message_class(f"{method}Response").FromString(raw)


def test_over_grpc_settings_are_read_and_not_changed(server: RunningServer) -> None:
    log, trace = message_class("LogSettingsRequest"), message_class("TraceSettingRequest")
    silence, rate = log(), trace(model_name="simple")
    silence.settings["log_error"].bool_param = False
    rate.settings["trace_rate"].value.append("1")
    for method, change, nothing, kind in (
        ("LogSettings", silence, log(), "log"),
        ("TraceSetting", rate, trace(model_name="simple"), "trace"),
    ):
        before = call(server, method, nothing)
        assert call(server, method, change) == ("UNIMPLEMENTED", CLOSED.format(kind))
        assert call(server, method, nothing) == before
