"""Too much at once: refused in words, with a status and a time that say to come again, whatever way it came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from gated import PATIENCE_S, House, grpc, house, np

from naiad.core.settings.config import ModelSettings

FULL = "Exceeds maximum queue size"


@pytest.fixture
def posted(tmp_path: Path) -> Iterator[House]:
    """A model with one request running, and as many waiting as the server lets."""
    with house(tmp_path, {"m": "", "other": ""}, most=1, max_waiting=2, run_ahead=False) as here:
        asked = here.keep_busy("http", "m") + here.queue("http", "m", "ab")
        yield here
        here.gate.open()
        assert [one.result(PATIENCE_S) for one in asked] == [[0]] * 3


def post(here: House, path: str, body: dict[str, Any]) -> tuple[int, str | None, dict[str, Any]]:
    host, _, port = here.running.address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=PATIENCE_S)
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, answer.headers["Retry-After"], content


INFER = {"id": "7", "inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}
GENERATE = {"id": "7", "x": [1]}


def test_there_is_a_bound_from_the_start() -> None:
    assert ModelSettings().max_waiting == 65536


@pytest.mark.parametrize(("route", "body"), [("infer", INFER), ("generate", GENERATE), ("generate_stream", GENERATE)])
def test_over_http(posted: House, route: str, body: dict[str, Any]) -> None:
    status, again_s, answer = post(posted, f"/v2/models/m/{route}", body)
    assert (status, again_s) == (503, "1")
    assert answer["error"].endswith(FULL)
    posted.gate.open()
    assert post(posted, "/v2/models/other/infer", INFER)[0] == 200, "others are not touched"


def test_over_grpc_in_one_call_and_in_a_stream(posted: House) -> None:
    told: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    tensor = grpc.InferInput("x", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.ones((1, 1), np.int32))
    with grpc.InferenceServerClient(posted.running.grpc_address) as client:
        with pytest.raises(grpc.InferenceServerException, match=FULL) as raised:
            client.infer("m", [tensor], request_id="7")
        assert raised.value.status() == "StatusCode.UNAVAILABLE"
        client.start_stream(lambda result, error: told.put((result, error)))
        client.async_stream_infer("m", [tensor], request_id="7")
        _, error = told.get(timeout=PATIENCE_S)
        assert error.message() == f"[request id: 7] {FULL}"
        posted.gate.open()
        client.async_stream_infer("other", [tensor], request_id="8")
        result, error = told.get(timeout=PATIENCE_S)
        assert error is None, "the stream goes on"
        assert result.as_numpy("y").tolist() == [[1]]
        client.stop_stream()


def test_what_is_refused_is_counted_as_rejected(posted: House) -> None:
    post(posted, "/v2/models/m/infer", INFER)

    async def failures() -> dict[str, int]:
        return dict(posted.running.server.engine.route("m").statistics.failures)

    assert posted.running.run(failures)["REJECTED"] == 1
