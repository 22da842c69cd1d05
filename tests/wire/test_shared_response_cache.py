"""Servers that share a Redis server: what one has answered, the other gives; with the same model, and only then."""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from multiplying import write_times

from naiad.testing import RunningServer, running_server


def ask(server: RunningServer, first: float, second: float = 1.0) -> list[float]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [first, second]}
    data = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{server.url}/v2/models/times/infer", data, timeout=30) as answer:
        found: list[float] = json.loads(answer.read())["outputs"][0]["data"]
        return found


def counts(server: RunningServer) -> tuple[int, int, int]:
    """Executions, hits, misses."""
    with urllib.request.urlopen(f"{server.url}/v2/models/times/stats", timeout=30) as answer:
        stats = json.loads(answer.read())["model_stats"][0]
    found = stats["inference_stats"]
    return stats["execution_count"], found["cache_hit"]["count"], found["cache_miss"]["count"]


def page(server: RunningServer) -> dict[str, float]:
    with urllib.request.urlopen(server.metrics_url, timeout=30) as answer:
        return {
            name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", answer.read().decode(), re.MULTILINE)
        }


def until_kept(redis: Any, count: int) -> None:
    until_s = time.monotonic() + 30
    while int(redis.ask("DBSIZE")[1:]) < count:
        assert time.monotonic() < until_s
        time.sleep(0.005)


@pytest.fixture
def redis(redis_process: Any) -> Any:
    redis_process.ask("FLUSHALL")
    return redis_process


def test_servers_share_answers_of_the_same_model_alone(redis: Any, tmp_path: Path) -> None:
    doubled = write_times(tmp_path / "a", 2.0)
    shutil.copytree(doubled, tmp_path / "b")
    tripled = write_times(tmp_path / "c", 3.0)
    options = {"cache_config": redis.lines(), "allow_grpc": False}
    with running_server(str(doubled), **options) as first, running_server(str(tmp_path / "b"), **options) as second:
        assert ask(first, 5.0) == [10.0, 2.0]
        until_kept(redis, 1)
        assert ask(second, 5.0) == [10.0, 2.0]
        assert (counts(first), counts(second)) == ((1, 0, 1), (0, 1, 0))
        with running_server(str(tripled), **options) as other:
            assert ask(other, 5.0) == [15.0, 3.0]
            assert counts(other) == (1, 0, 1)


def test_new_weights_never_give_an_old_answer(redis: Any, tmp_path: Path) -> None:
    folder = write_times(tmp_path, 2.0)
    options = {"cache_config": redis.lines(), "model_control_mode": "explicit", "load_model": ("times",)}
    with running_server(str(folder), **options) as server:
        for factor in (2.0, 3.0, 2.0):
            write_times(folder, factor)
            urllib.request.urlopen(f"{server.url}/v2/repository/models/times/load", b"{}", timeout=30).close()
            assert ask(server, 5.0) == [5 * factor, factor]
            until_kept(redis, int(factor) - 1)
        assert counts(server) == (0, 1, 0), "those of the first weights are given again"


def test_metrics_tell_of_a_shared_cache(redis_processes: Any, tmp_path: Path) -> None:
    redis = redis_processes()
    with running_server(str(write_times(tmp_path, 2.0)), cache_config=redis.lines(socket_timeout=200)) as server:
        for _ in range(2):
            ask(server, 5.0)
            until_kept(redis, 1)
        found = page(server)
        assert (found["nv_cache_num_lookups"], found["nv_cache_num_hits"], found["nv_cache_num_misses"]) == (2, 1, 1)
        assert (found["naiad_cache_available"], found["naiad_cache_failures_total"]) == (1, 0)
        assert found["nv_cache_lookup_duration"] > 0
        assert not {"nv_cache_util", "nv_cache_num_entries", "nv_cache_num_evictions"} & found.keys()
        redis.kill()
        assert ask(server, 5.0) == [10.0, 2.0]
        found = page(server)
        assert found["naiad_cache_available"] == 0
        assert found["naiad_cache_failures_total"] > 0


def test_a_server_starts_without_its_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("redis", reason="the library redis is not installed (requirements/dev.txt)")
    lines = ("redis,host=127.0.0.1", "redis,port=1", "redis,password=hunter2")
    with running_server(str(write_times(tmp_path, 2.0)), cache_config=lines) as server:
        assert [ask(server, 5.0) for _ in range(2)] == [[10.0, 2.0]] * 2
        assert counts(server) == (2, 0, 2)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.message.startswith("the response cache at 127.0.0.1:1 does not answer: ")
    assert "hunter2" not in caplog.text
