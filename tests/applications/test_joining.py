"""Calls of functions marked with `naiad.batched`, of many requests, in one worker and in several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from served_application import Serve

from naiad.testing import RunningServer

pytest.importorskip("flask", reason="Flask is not installed")


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def server(serve: Serve, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with serve("flask_app.py", workers=request.param) as running:
        assert running.all_loaded
        yield running


def ask(server: RunningServer, path: str, *bodies: Any) -> list[httpx2.Response]:
    """Post all of them at the same time."""
    with httpx2.Client(base_url=server.url, timeout=30) as client, ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(lambda body: client.post(path, json=body), bodies))


def test_requests_that_come_together_share_runs(server: RunningServer) -> None:
    numbers = range(100, 140)
    answers = [one.json() for one in ask(server, "/double", *({"x": number} for number in numbers))]
    assert [one["y"] for one in answers] == [2.0 * number for number in numbers]
    assert max(one["rows"] for one in answers) > 5
    handled, ran = {one["pid"] for one in answers}, {one["ran"] for one in answers}
    assert ran == handled  # every worker handles requests and runs batches
    assert len(handled) == server.server.catalog.find("app", "").config.instance_groups[0].count


def test_an_error_reaches_only_who_causes_it_as_what_it_is(server: RunningServer) -> None:
    answers = ask(server, "/double", *({"x": number} for number in (1, 2, 13, 4, 13, 6)))
    assert [one.status_code for one in answers] == [200, 200, 422, 200, 422, 200]
    assert answers[2].json() == {"error": "13 cannot be doubled", "kind": "ValueError"}
    assert [answers[at].json()["y"] for at in (0, 1, 3, 5)] == [2, 4, 8, 12]


def test_an_exception_in_the_place_of_a_row(server: RunningServer) -> None:
    answers = ask(server, "/shout", {"text": "a"}, {"text": "bad"}, {"text": "c"})
    assert [one.status_code for one in answers] == [200, 500, 200]
    assert [answers[0].json(), answers[2].json()] == [["A!"], ["C!"]]


def test_calls_with_other_constants_are_kept_apart(server: RunningServer) -> None:
    answers = ask(server, "/shout", *({"text": "x", "mark": "?!."[at % 3]} for at in range(12)))
    assert [one.json() for one in answers] == [["X" + "?!."[at % 3]] for at in range(12)]


def test_no_batch_is_larger_than_it_may_be(server: RunningServer) -> None:
    ask(server, "/shout", *({"text": str(at)} for at in range(20)))
    (told,) = httpx2.get(f"{server.url}/v2/models/app.shout/stats").json()["model_stats"]
    sizes = [one["batch_size"] for one in told["batch_stats"]]
    assert max(sizes) == 4


def test_a_function_that_ends_its_process_fails_its_batch_and_comes_back(server: RunningServer) -> None:
    model = server.server.catalog.find("app", "")
    (answer,) = ask(server, "/double", {"x": 99})
    assert answer.status_code == 500
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        while (answer := client.post("/double", json={"x": 3})).status_code != 200:
            assert answer.status_code in (500, 503)
        assert answer.json()["y"] == 6
    assert model.statistics.workers()[1] >= 1
