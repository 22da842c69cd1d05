"""Triton's backend for trying out states, each of its cases through a live server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from naiad.testing import RunningServer

LOST = "the state is not what the steps before have left in it"


def steps(server: RunningServer, model: str, case: int, *values: int) -> list[Any]:
    """The outputs of each step, or its error."""
    found: list[Any] = []
    for at, value in enumerate(values):
        tensors = {"INPUT": value, "TEST_CASE": case}
        document = {
            "inputs": [
                {"name": name, "datatype": "INT32", "shape": [1], "data": [data]} for name, data in tensors.items()
            ],
            "parameters": {"sequence_id": 1, "sequence_start": at == 0, "sequence_end": at == len(values) - 1},
        }
        request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(document).encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found.append({one["name"]: one["data"] for one in json.loads(answer.read())["outputs"]})
        except urllib.error.HTTPError as error:
            with error:
                found.append(json.loads(error.read())["error"])
    return found


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("stated", "state 'undefined_state' is not a valid state name."),
        ("stateless", "unable to add state 'undefined_state'. State configuration is missing for model 'stateless'."),
    ],
)
def test_a_state_that_is_not_configured(server: RunningServer, model: str, words: str) -> None:
    assert steps(server, model, 0, 1) == [words]


def test_a_state_that_is_not_given_stays(server: RunningServer) -> None:
    assert steps(server, "stated", 1, 1, 2, 3) == [{"OUTPUT": [1]}, {"OUTPUT": [2]}, {"OUTPUT": [3]}]


def test_the_state_stays_in_its_memory(server: RunningServer) -> None:
    assert steps(server, "stated", 2, 1, 1, 1) == [{}, {}, {}]


def test_the_state_grows_and_keeps_what_is_in_it(server: RunningServer) -> None:
    assert steps(server, "grown", 3, 0, 0, 0, 0) == [{}, {}, {}, {}]


def test_other_cases_are_named(server: RunningServer) -> None:
    assert steps(server, "stated", 7, 1) == ["model 'stated': TEST_CASE must be from 0 to 3, it is 7"]
