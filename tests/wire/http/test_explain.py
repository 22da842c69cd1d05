"""`GET /v2/models/NAME/explain`, live: about what happens while it watches."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from naiad.cli.explain import shown
from naiad.cli.main import group
from naiad.client import Client
from naiad.testing import RunningServer, running_server, tiny_checkpoint

CONFIG = """
backend: "identity"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
parameters { key: "execute_delay_ms" value { string_value: "5" } }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("repository")
    (repository / "slow" / "1").mkdir(parents=True)
    (repository / "slow" / "config.pbtxt").write_text(CONFIG)
    text = tiny_checkpoint(tmp_path_factory.mktemp("text"))
    with running_server(str(repository), f"text={text}", model_control_mode="explicit", load_model=("*",)) as running:
        yield running


def get(server: RunningServer, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


@contextmanager
def asking(server: RunningServer, model: str, inputs: dict[str, Any], clients: int) -> Iterator[None]:
    """Clients that ask again and again until the block ends; the block begins when each has been answered."""
    is_over = threading.Event()
    begun = threading.Barrier(clients + 1)

    def ask() -> None:
        with Client(server.address) as client:
            client.infer(model, inputs)
            begun.wait(30)
            while not is_over.is_set():
                client.infer(model, inputs)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_an_idle_model(server: RunningServer) -> None:
    status, told = get(server, "/v2/models/slow/explain?seconds=0.01")
    assert (status, told["model"], told["version"]) == (200, "slow", "1")
    assert told["headline"].startswith("slow has answered nothing in")
    assert told["parts"]["Why this size"] == "Nothing ran, because nothing came."


def test_one_client_is_told_from_several(server: RunningServer) -> None:
    with asking(server, "slow", {"x": [[1.0]]}, 1):
        status, told = get(server, "/v2/models/slow/versions/1/explain?seconds=0.3")
    assert status == 200
    assert set(told["facts"]["runs"]) == {"1"}
    assert told["parts"]["Why this size"].startswith("Hardly ever is more than one request under way")
    with asking(server, "slow", {"x": [[1.0], [2.0]]}, 4):
        status, told = get(server, "/v2/models/slow/explain?seconds=0.5")
    facts = told["facts"]
    assert facts["rows"] == 2 * facts["requests"]
    assert sum(int(rows) * count for rows, count in facts["runs"].items()) >= 0.9 * facts["rows"]
    assert facts["batching"]["most_rows"] == 8
    assert 0.1 < sum(facts["ran_s"].values()) <= 0.7, "half a second, of which the instance ran for a good part"
    assert " of 2 rows each; " in told["parts"]["What comes"]


def test_a_text_model_is_explained_by_tokens(server: RunningServer) -> None:
    with asking(server, "text", {"text": ["hello world"]}, 3):
        _, told = get(server, "/v2/models/text/explain?seconds=0.3")
    assert "texts" in told["parts"]["Why this size"] or "tokens" in told["parts"]["Why this size"]
    assert told["facts"]["usual_tokens"] > 0


@pytest.mark.parametrize("seconds", ["", "0", "-1", "61", "nan", "x"])
def test_seconds_that_cannot_be_are_refused(server: RunningServer, seconds: str) -> None:
    status, told = get(server, f"/v2/models/slow/explain?seconds={seconds}")
    assert (status, told) == (400, {"error": f"'seconds' must be a number above 0, and 60 at most, not '{seconds}'"})


def test_a_model_that_there_is_not(server: RunningServer) -> None:
    assert get(server, "/v2/models/nope/explain") == (404, {"error": "Request for unknown model: 'nope' is not found"})


def test_a_model_that_was_loaded_again_meanwhile_is_not_explained(server: RunningServer) -> None:
    found: list[tuple[int, Any]] = []
    watching = threading.Thread(target=lambda: found.append(get(server, "/v2/models/slow/explain?seconds=2")))
    watching.start()
    changed = CONFIG.replace('"5"', '"4"').strip()
    document = {"parameters": {"config": json.dumps(_document(changed))}}
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("POST", "/v2/repository/models/slow/load", json.dumps(document))
    assert connection.getresponse().status == 200
    connection.close()
    watching.join()
    assert found == [(503, {"error": "model 'slow' was loaded again meanwhile; ask again"})]


def _document(text: str) -> dict[str, Any]:
    from naiad.modelconfig import parse_pbtxt

    return dict(parse_pbtxt(text))


def test_the_command_prints_the_words(server: RunningServer) -> None:
    asked = ["explain", "slow", "--url", server.address, "--seconds", "0.01"]
    done = CliRunner().invoke(group, asked)
    assert (done.exit_code, done.output.splitlines()[0][:16]) == (0, "slow, version 1,")
    assert "Why this size   Nothing ran, because nothing came." in done.output
    assert json.loads(CliRunner().invoke(group, [*asked, "--json"]).output)["facts"]["requests"] == 0
    refused = CliRunner().invoke(group, ["explain", "slow", "--seconds", "99"])
    assert "99.0 is not in the range 0<x<=60" in refused.output


TOLD = {
    "model": "m",
    "version": "3",
    "seconds": 3.0009,
    "headline": "m is here.",
    "parts": {"One": "word " * 12, "The other": "thing"},
}


def test_titles_stand_beside_the_words_where_there_is_room() -> None:
    assert shown(TOLD, 60).splitlines() == [
        "m, version 3, watched for 3 s",
        "",
        "m is here.",
        "",
        "One        " + "word " * 9 + "word",
        "           word word",
        "The other  thing",
    ]
    assert shown(TOLD, 40).splitlines()[4:] == [
        "One",
        "  " + "word " * 6 + "word",
        "  " + "word " * 4 + "word",
        "The other",
        "  thing",
    ]


def test_no_line_is_wider_than_is_good_to_read() -> None:
    assert max(map(len, shown({**TOLD, "parts": {"One": "word " * 200}}, 500).splitlines())) <= 100


def test_whoever_leaves_is_not_waited_for(server: RunningServer, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", "/v2/models/text/explain?seconds=60")
    connection.close()
    assert get(server, "/v2/models/text/explain?seconds=0.01")[0] == 200
