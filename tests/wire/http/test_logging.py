"""Log settings over HTTP, and the line for each request of a verbose log."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from log_start import START

from naiad.testing import RunningServer, running_server

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
FILE = "log file location can not be updated through network protocol"
NO_BOOLEAN = "attempt to access JSON non-boolean as boolean"
NO_UNSIGNED = "attempt to access JSON non-unsigned-integer as unsigned-integer"
NO_STRING = "attempt to access JSON non-string as string"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(str(SIMPLE), allow_setting_changes=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_started(server: RunningServer) -> Iterator[None]:
    level = logging.getLogger("naiad").level
    yield
    assert ask(server, "POST", {key: value for key, value in START.items() if key != "log_file"}) == (200, START)
    logging.getLogger("naiad").setLevel(level)


def ask(server: RunningServer, method: str, body: Any = None, path: str = "/v2/logging") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, path, json.dumps(body))
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    return answer.status, json.loads(raw) if raw else None


def test_all_six_in_order(server: RunningServer) -> None:
    status, found = ask(server, "GET")
    assert (status, found, list(found)) == (200, START, list(START))


def test_each_can_be_changed_but_the_file(server: RunningServer) -> None:
    change = {
        "log_info": False,
        "log_warning": False,
        "log_error": False,
        "log_verbose_level": 2,
        "log_format": "ISO8601",
    }
    assert ask(server, "POST", change) == (200, {"log_file": "", **change})
    assert ask(server, "GET") == (200, {"log_file": "", **change})


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"log_info": "x"}, 500, NO_BOOLEAN),
        ({"log_warning": 1}, 500, NO_BOOLEAN),
        ({"log_error": []}, 500, NO_BOOLEAN),
        ({"log_verbose_level": "1"}, 500, NO_UNSIGNED),
        ({"log_verbose_level": -1}, 500, NO_UNSIGNED),
        ({"log_verbose_level": 1.5}, 500, NO_UNSIGNED),
        ({"log_verbose_level": True}, 500, NO_UNSIGNED),
        ({"log_verbose_level": 2**31}, 500, NO_UNSIGNED),
        ({"log_format": 5}, 500, NO_STRING),
        ({"log_format": "iso8601"}, 503, "invalid argument for --log_format, got: iso8601"),
        ({"log_file": "/etc/passwd"}, 501, FILE),
        ({"log_file": ""}, 501, FILE),
        ({"log_file": 5}, 501, FILE),
        ({"log_info": False, "log_verbose_level": "x"}, 500, NO_UNSIGNED),
    ],
)
def test_what_is_refused_changes_nothing(
    server: RunningServer, change: dict[str, Any], status: int, message: str
) -> None:
    assert ask(server, "POST", change) == (status, {"error": message})
    assert ask(server, "GET") == (200, START)


@pytest.mark.parametrize("key", [*START, "foo"])
def test_null_and_unknown_keys_are_ignored(server: RunningServer, key: str) -> None:
    assert ask(server, "POST", {key: None}) == (200, START)
    assert ask(server, "POST", {"foo": 1}) == (200, START)


def test_a_verbose_log_has_a_line_for_each_request(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(server, "GET", path="/v2")[0] == 200
    assert caplog.messages == []
    ask(server, "POST", {"log_verbose_level": 1})
    ask(server, "GET", path="/v2/models/simple%0Aforged?a=b")
    row = list(range(16))
    connection = http.client.HTTPConnection(server.address, timeout=30)
    for path in ("generate", "generate_stream"):
        connection.request("POST", f"/v2/models/simple/{path}", json.dumps({"INPUT0": row, "INPUT1": row}))
        connection.getresponse().read()
    connection.close()
    server.run(lambda: asyncio.sleep(0))  # a line is written just after the answer
    lines = [message.rpartition(" ")[0].rpartition(" ")[0] for message in caplog.messages]
    assert lines == [
        "GET /v2/models/simple%0Aforged?a=b 404",
        "POST /v2/models/simple/generate 200",
        "POST /v2/models/simple/generate_stream 200",
    ]
    assert all(message.endswith(" ms") for message in caplog.messages)
