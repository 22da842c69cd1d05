"""Sequences through a live server: kept apart, in order, bounded in time; what is wrong is said."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from naiad.testing import RunningServer


def post(server: RunningServer, model: str, value: int, **parameters: Any) -> tuple[int, Any]:
    """Status, and the value or the error."""
    shape = [1] if model == "one" else [1, 1]
    document = {
        "inputs": [{"name": "INPUT", "datatype": "INT32", "shape": shape, "data": [value]}],
        "parameters": parameters,
    }
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())["outputs"][0]["data"][0]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["error"]


def steps(server: RunningServer, model: str, name: Any, values: list[int]) -> list[Any]:
    return [
        post(server, model, value, sequence_id=name, sequence_start=at == 0, sequence_end=at == len(values) - 1)[1]
        for at, value in enumerate(values)
    ]


def sums(values: list[int]) -> list[int]:
    return [sum(values[: number + 1]) for number in range(len(values))]


@pytest.mark.parametrize("model", ["sum", "one", "sum_by_id"])
def test_many_sequences_at_once_are_kept_apart(server: RunningServer, model: str) -> None:
    """More than there are places: whoever has none waits."""
    values = [[number * 1000 + step for step in range(5)] for number in range(1, 13)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda number: steps(server, model, number, values[number - 1]), range(1, 13)))
    ends = range(1, 13) if model == "sum_by_id" else [0] * 12
    assert found == [[*sums(row)[:-1], sum(row) + end] for row, end in zip(values, ends, strict=True)]


@pytest.mark.parametrize(
    ("model", "parameters", "words"),
    [
        ("sum", {}, "inference request to model 'sum' must specify a non-zero or non-empty correlation ID"),
        ("sum", {"sequence_start": True}, "must specify a non-zero or non-empty correlation ID"),
        ("sum", {"sequence_id": ""}, "must specify a non-zero or non-empty correlation ID"),
        (
            "sum",
            {"sequence_id": 77},
            "for sequence 77 to model 'sum' must specify the START flag on the first request of the sequence",
        ),
        ("sum", {"sequence_id": "nobody", "sequence_end": True}, "for sequence nobody to model 'sum' must specify"),
        ("sum_by_id", {"sequence_id": "x", "sequence_start": True}, "takes a number (UINT64)"),
        ("simple_string_dyna_sequence", {"sequence_id": 7, "sequence_start": True}, "takes a string (BYTES)"),
    ],
)
def test_what_is_no_step_of_a_sequence_is_a_bad_request(
    server: RunningServer, model: str, parameters: Any, words: str
) -> None:
    status, error = post(server, model, 1, **parameters)
    assert status == 400
    assert words in error


def test_an_id_may_have_128_bytes(server: RunningServer) -> None:
    assert steps(server, "sum", "x" * 128, [1, 2]) == [1, 3]
    status, error = post(server, "sum", 1, sequence_id="x" * 129, sequence_start=True)
    assert (status, error) == (501, "string correlation ID cannot be longer than 128 characters")


def test_a_sequence_that_is_idle_too_long_has_ended(server: RunningServer) -> None:
    """The next one gets the only place at the moment at which the first one's time is over."""
    assert post(server, "impatient", 1, sequence_id=1, sequence_start=True) == (200, 1)
    assert post(server, "impatient", 2, sequence_id=2, sequence_start=True) == (200, 2)
    status, error = post(server, "impatient", 3, sequence_id=1)
    assert status == 400
    assert "START flag" in error


def test_who_waits_too_long_for_a_place_is_told(server: RunningServer) -> None:
    assert post(server, "slow", 1, sequence_id=1, sequence_start=True) == (200, 1)
    status, error = post(server, "slow", 1, sequence_id=2, sequence_start=True, timeout=100_000)
    assert (status, error) == (503, "timeout of the corresponding sequence has been expired")
    assert post(server, "slow", 2, sequence_id=1, sequence_end=True) == (200, 3)


def test_statistics_and_metrics_count_sequences(server: RunningServer) -> None:
    assert post(server, "slow", 1, sequence_id=7, sequence_start=True) == (200, 1)
    waiting = threading.Thread(target=steps, args=(server, "slow", 8, [5]))
    waiting.start()
    lines: list[str] = []
    while not any(line.startswith("naiad_sequences_waiting") and line.endswith(" 1") for line in lines):
        with urllib.request.urlopen(server.metrics_url, timeout=30) as page:
            lines = [line for line in page.read().decode().splitlines() if 'model="slow"' in line]
    assert 'naiad_sequences_active{model="slow",version="1"} 1' in lines
    with urllib.request.urlopen(f"{server.url}/v2/models/slow/stats", timeout=30) as answer:
        assert json.loads(answer.read())["model_stats"][0]["naiad_sequences"] == {"active": 1, "waiting": 1}
    assert post(server, "slow", 1, sequence_id=7, sequence_end=True) == (200, 2)
    waiting.join(30)


def test_the_extension_is_announced(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.url}/v2", timeout=30) as answer:
        assert "sequence" in json.loads(answer.read())["extensions"]
