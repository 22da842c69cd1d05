"""/generate and /generate_stream of a running server; models that answer several times are in `decoupled/`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naiad.testing import RunningServer, running_server, tiny_checkpoint


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tiny_checkpoint(tmp_path_factory.mktemp("m") / "tiny", head="sequence-classification")
    simple = Path(__file__).parents[2] / "data" / "model_repository" / "simple"
    with running_server(f"tiny={folder}", str(simple)) as running:
        yield running


def ask(server: RunningServer, path: str, document: Any) -> tuple[int, str, bytes]:
    request = urllib.request.Request(server.url + path, json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_a_text_in_a_label_out(server: RunningServer) -> None:
    status, kind, body = ask(server, "/v2/models/tiny/generate", {"text": "good movie", "top_k": 1})
    answer = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert answer["label"] in ("no", "yes")
    assert 0 < answer["score"] < 1


def test_a_stream_of_one(server: RunningServer) -> None:
    status, kind, body = ask(server, "/v2/models/simple/generate_stream", {"INPUT0": [1] * 16, "INPUT1": [2] * 16})
    assert (status, kind) == (200, "text/event-stream; charset=utf-8")
    assert body.startswith(b"data: {")
    assert body.endswith(b"}\n\n")
    assert json.loads(body[6:])["OUTPUT0"] == [3] * 16


@pytest.mark.parametrize("route", ["generate", "generate_stream"])
@pytest.mark.parametrize(
    ("model", "document", "status", "message"),
    [
        ("nope", {}, 404, "Request for unknown model: 'nope' is not found"),
        ("simple", {"INPUT0": [1]}, 400, "The schema can not convert input 'INPUT0' to tensor"),
        ("tiny", {"text": "x", "topk": 1}, 400, "did you mean 'top_k'?"),
    ],
)
def test_errors_before_the_first_answer_decide_the_status(
    server: RunningServer, route: str, model: str, document: Any, status: int, message: str
) -> None:
    got, _, body = ask(server, f"/v2/models/{model}/{route}", document)
    assert got == status
    assert message in body.decode()
