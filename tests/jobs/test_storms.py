"""No accepted job is lost, whenever and however often servers are killed; a longer storm: `storm.py`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from job_server import ask, body, post, put
from storm import Process, storm, wrong


def test_kills_lose_no_job_in_a_file(tmp_path: Path) -> None:
    models = put(tmp_path / "models", ms=5)
    server = Process(models, str(tmp_path / "jobs"), "--jobs-attempts", "100")
    clients = storm([server], kills=3, seed=1)
    try:
        assert wrong(server.url, clients.accepted) == {}
    finally:
        assert server.end(signal.SIGTERM) == 0


def test_kills_lose_no_job_in_redis_with_several_servers(tmp_path: Path, redis_process: Any) -> None:
    redis_process.ask("FLUSHALL")
    place = f"redis://{redis_process.host}:{redis_process.port}"
    models = put(tmp_path / "models", ms=5)
    servers = [Process(models, place, "--jobs-attempts", "100", "--jobs-lease-s", "1") for _ in range(2)]
    clients = storm(servers, kills=3, seed=2)
    try:
        assert wrong(servers[0].url, clients.accepted) == {}
    finally:
        statuses = [server.end(signal.SIGTERM) for server in servers]
    assert statuses == [0, 0]


def test_another_server_takes_over_from_one_that_is_dead(tmp_path: Path, redis_process: Any) -> None:
    """The first runs the job forever; the second, which takes it over, has the model that answers at once."""
    redis_process.ask("FLUSHALL")
    place = f"redis://{redis_process.host}:{redis_process.port}"
    slow = Process(put(tmp_path / "slow", ms=600_000), place, "--jobs-lease-s", "1")
    quick = Process(put(tmp_path / "quick"), place, "--jobs-lease-s", "1")
    slow.start()
    path = post(slow.url, body(7)).headers["Location"]
    while ask(f"{slow.url}{path}?wait_s=0.05").json["state"] != "running":
        pass
    quick.start()
    try:
        assert ask(f"{quick.url}{path}?wait_s=3").json["state"] == "running", "its lease is renewed"
        slow.end(signal.SIGKILL)
        said = ask(f"{quick.url}{path}/result?wait_s=60")
        assert (said.status, said.json["outputs"][0]["data"]) == (200, [7])
        assert ask(f"{quick.url}{path}").json["attempts"] == 2
    finally:
        assert quick.end(signal.SIGTERM) == 0


def test_a_job_that_seems_to_kill_its_server_is_given_up(tmp_path: Path) -> None:
    models = put(tmp_path / "models", ms=600_000)
    server = Process(models, str(tmp_path / "jobs"), "--jobs-attempts", "2")
    server.start()
    path = post(server.url, body(1)).headers["Location"]
    for attempt in (1, 2):
        while ask(f"{server.url}{path}?wait_s=0.05").json["state"] != "running":
            pass
        assert ask(f"{server.url}{path}").json["attempts"] == attempt
        server.end(signal.SIGKILL)
        server.start()
    said = ask(f"{server.url}{path}/result")
    assert (said.status, said.json["error"]) == (
        500,
        "the server ended 2 times while it ran this job, which is not run again. --jobs-attempts allows more.",
    )
    assert server.end(signal.SIGTERM) == 0
