"""Ensembles over models with a cache, and ensembles with one of their own: nothing runs for nothing or is stale."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from multiplying import CACHE, write_times

from naiad.testing import RunningServer, running_server

PLAIN = "max_batch_size: 4\n"
"""Configuration of a part without a cache."""
TENSORS = """
max_batch_size: 4
input {{ name: "{0}" data_type: TYPE_FP32 dims: [ 2 ] }}
output {{ name: "{1}" data_type: TYPE_FP32 dims: [ 2 ] }}
"""
STEP = """step {{
  model_name: "times" model_version: -1
  input_map {{ key: "x" value: "{0}" }} output_map {{ key: "y" value: "{1}" }}
}}"""


def write_ensemble(folder: Path, more: str = "") -> None:
    """`twice`: the part, and once more of what it gives."""
    (folder / "twice" / "1").mkdir(parents=True)
    steps = STEP.format("a", "between") + STEP.format("between", "b")
    text = f'platform: "ensemble"\n{TENSORS.format("a", "b")}ensemble_scheduling {{ {steps} }}\n{more}'
    (folder / "twice" / "config.pbtxt").write_text(text)


def ask(server: RunningServer, first: float) -> list[float]:
    tensor = {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [first, 1.0]}
    data = json.dumps({"inputs": [tensor]}).encode()
    with urllib.request.urlopen(f"{server.url}/v2/models/twice/infer", data, timeout=30) as answer:
        found: list[float] = json.loads(answer.read())["outputs"][0]["data"]
        return found


def counts(server: RunningServer, model: str) -> tuple[int, int, int]:
    """Successes, hits, misses."""
    with urllib.request.urlopen(f"{server.url}/v2/models/{model}/stats", timeout=30) as answer:
        found = json.loads(answer.read())["model_stats"][0]["inference_stats"]
    return found["success"]["count"], found["cache_hit"]["count"], found["cache_miss"]["count"]


def reload(server: RunningServer, model: str) -> None:
    urllib.request.urlopen(f"{server.url}/v2/repository/models/{model}/load", b"{}", timeout=60).close()


@pytest.fixture(params=["local", "redis"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    lines: tuple[str, ...] = ("local,size=1000000",)
    if request.param == "redis":
        redis = request.getfixturevalue("redis_process")
        redis.ask("FLUSHALL")
        lines = redis.lines()
    return {"cache_config": lines, "model_control_mode": "explicit", "load_model": ("*",), "allow_grpc": False}


def until_hit(server: RunningServer, model: str, question: Callable[[], list[float]], expected: list[float]) -> None:
    """Ask until the answer comes from the cache, to which a shared one brings it only after it was given."""
    for _ in range(1000):
        before = counts(server, model)[1]
        assert question() == expected
        if counts(server, model)[1] > before:
            return
    raise AssertionError(f"'{model}' never had a hit")


def test_parts_answer_from_the_cache(options: dict[str, Any], tmp_path: Path) -> None:
    write_times(tmp_path, 2.0)
    write_ensemble(tmp_path)
    with running_server(str(tmp_path), **options) as server:
        until_hit(server, "times", lambda: ask(server, 3.0), [12.0, 4.0])
        asked, hits, misses = counts(server, "times")
        assert asked == hits + misses == 2 * counts(server, "twice")[0]
        assert counts(server, "twice")[1:] == (0, 0)
        write_times(tmp_path, 3.0)
        reload(server, "times")
        assert [ask(server, 3.0) for _ in range(3)] == [[27.0, 9.0]] * 3


def test_an_ensemble_has_a_cache_of_its_own_and_forgets_with_its_parts(options: dict[str, Any], tmp_path: Path) -> None:
    write_times(tmp_path, 2.0, PLAIN)
    write_ensemble(tmp_path, CACHE)
    with running_server(str(tmp_path), **options) as server:
        until_hit(server, "twice", lambda: ask(server, 3.0), [12.0, 4.0])
        ran = counts(server, "times")[0]
        assert ask(server, 3.0) == [12.0, 4.0]
        assert counts(server, "times")[0] == ran
        write_times(tmp_path, 3.0, PLAIN)
        reload(server, "times")
        assert [ask(server, 3.0) for _ in range(3)] == [[27.0, 9.0]] * 3
