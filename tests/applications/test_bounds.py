"""Bounds of an application: of bodies, of requests that wait, of time; and workers that are killed under load."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from served_application import Serve

pytest.importorskip("flask", reason="Flask is not installed")


def test_a_body_that_is_too_large_never_reaches_it(serve: Serve) -> None:
    with serve("flask_app.py", http_max_input_size=1000) as server:
        assert httpx2.post(f"{server.url}/echo", content=b"x" * 1000).content == b"x" * 1000
        refused = httpx2.post(f"{server.url}/echo", content=b"x" * 1001)
        assert refused.status_code == 400
        assert "--http-max-input-size" in refused.json()["error"]


def test_more_requests_than_may_wait_are_told_to_come_again(serve: Serve) -> None:
    with (
        serve("flask_app.py", threads=1, max_waiting=2) as server,
        httpx2.Client(base_url=server.url, timeout=30) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.get("/wait?s=0.3"), range(8)))
        statuses = [one.status_code for one in answers]
        assert set(statuses) == {200, 503}
        assert 3 <= statuses.count(200) < 8
        assert all("retry-after" in one.headers for one in answers if one.status_code == 503)
        assert client.get("/").status_code == 200


def test_a_handler_that_hangs_is_ended_where_that_is_asked_for(serve: Serve) -> None:
    with serve("flask_app.py", model_hang_timeout=0.5) as server:
        answer = httpx2.get(f"{server.url}/wait?s=3600", timeout=60)
        assert answer.status_code == 500
        assert "longer than --model-hang-timeout allows" in answer.json()["error"]
        while (answer := httpx2.get(f"{server.url}/", timeout=60)).status_code == 503:
            pass
        assert answer.text.startswith("hello")


def test_workers_that_are_killed_cost_only_what_they_had(serve: Serve) -> None:
    """And leave no descriptor behind."""

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with (
        serve("flask_app.py", workers=2, threads=4) as server,
        httpx2.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        supervisors = server.server.catalog.find("app", "").end.__self__._supervisors

        def ask(number: int) -> int:
            if number % 50 == 25:
                os.kill(supervisors[number // 50 % 2].worker().pid, signal.SIGKILL)
            return client.post("/shout", json={"text": str(number)}).status_code

        assert client.get("/").status_code == 200
        before = descriptors()
        statuses = list(pool.map(ask, range(300)))
        while not all(one.is_up for one in supervisors):
            pass
        assert set(statuses) <= {200, 500}
        assert statuses.count(500) <= 6 * 8  # at most all that was under way, each time
        assert descriptors() <= before + 24  # both ends of the connections
