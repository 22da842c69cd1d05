"""ONNX models whose state the server keeps: of each sequence its own, from the first step to the last."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import state_models

from naiad.testing import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(str(state_models.write(tmp_path_factory.mktemp("models")))) as running:
        assert running.all_loaded
        yield running


def step(
    server: RunningServer, model: str, value: Any, name: Any, *, first: bool = False, last: bool = False, **more: Any
) -> Any:
    """Every output by name, or the error."""
    kind = "BYTES" if isinstance(value, str) else "INT32"
    document = {
        "inputs": [{"name": "INPUT", "datatype": kind, "shape": [1, 1], "data": [value]}],
        "parameters": {"sequence_id": name, "sequence_start": first, "sequence_end": last},
        **more,
    }
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return {output["name"]: output["data"] for output in json.loads(answer.read())["outputs"]}
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())["error"]


def run(server: RunningServer, model: str, name: Any, values: list[Any]) -> list[Any]:
    found = []
    for at, value in enumerate(values):
        told = step(server, model, value, name, first=at == 0, last=at == len(values) - 1)
        assert list(told) == ["OUTPUT"], told
        found += told["OUTPUT"]
    return found


@pytest.mark.parametrize("model", ["direct_sum", "oldest_sum", "same_buffer_sum", "appended", "grown"])
def test_every_sequence_has_its_own_state(server: RunningServer, model: str) -> None:
    values = [[number * 1000 + at for at in range(6)] for number in range(1, 13)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda number: run(server, model, number, values[number - 1]), range(1, 13)))
    assert found == [[sum(row[: at + 1]) for at in range(6)] for row in values]


def test_a_state_may_begin_with_a_file(server: RunningServer) -> None:
    for name in (1, 2):
        assert run(server, "from_file", name, [1, 2]) == [101, 103]


def test_a_state_may_be_of_strings(server: RunningServer) -> None:
    assert run(server, "strings", 1, ["a", "b", "é"]) == ["hello", "a", "b"]


def test_a_new_start_begins_with_the_first_state_again(server: RunningServer) -> None:
    assert step(server, "direct_sum", 5, 77, first=True) == {"OUTPUT": [5]}
    assert step(server, "direct_sum", 6, 77, first=True) == {"OUTPUT": [6]}
    assert step(server, "direct_sum", 1, 77, last=True) == {"OUTPUT": [7]}


def test_nobody_sees_states_or_may_ask_for_them(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.url}/v2/models/direct_sum", timeout=30) as answer:
        metadata = json.loads(answer.read())
    assert [tensor["name"] for tensor in (*metadata["inputs"], *metadata["outputs"])] == ["INPUT", "OUTPUT"]
    error = step(server, "direct_sum", 1, 5, first=True, outputs=[{"name": "STATE_OUT"}])
    assert error == "unexpected inference output 'STATE_OUT' for model 'direct_sum'"


def test_a_state_that_is_an_output_besides_can_be_asked_for(server: RunningServer) -> None:
    assert step(server, "seen", 5, 1, first=True) == {"OUTPUT": [5], "STATE_OUT": [5]}
    assert step(server, "seen", 5, 1, outputs=[{"name": "OUTPUT"}]) == {"OUTPUT": [10]}
    assert step(server, "seen", 5, 1, outputs=[{"name": "STATE_OUT"}], last=True) == {"STATE_OUT": [15]}


def test_listed_outputs_do_not_stop_the_state(server: RunningServer) -> None:
    for at in range(3):
        told = step(server, "direct_sum", 2, 9, first=at == 0, last=at == 2, outputs=[{"name": "OUTPUT"}])
        assert told == {"OUTPUT": [2 * at + 2]}


BROKEN = {
    "no such control": (
        "control_input",
        'name: "READY"',
        'name: "GONE"',
        "control 'GONE', but model does not provide",
    ),
    "another type": (
        "int32_false_true: [ 0, 1 ]",
        "int32_false_true",
        "fp32_false_true",
        "'READY', the model expects data-type TYPE_INT32 but the model configuration specifies data-type TYPE_FP32",
    ),
    "no such state": ("STATE_IN", "STATE_IN", "STATE_GONE", "unexpected inference input 'STATE_GONE'"),
    "a short file": ("dims: [ 1 ] data_file", "[ 1 ] data_file", "[ 2 ] data_file", "doesn't match 'state' dim"),
    "no file": ('"first" }', 'data_file: "first"', 'data_file: "gone"', "'gone' does not exist in"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_the_graph_is_refused_at_load(case: str, tmp_path: Path) -> None:
    near, old, new, words = BROKEN[case]
    folder = state_models.write(tmp_path) / "from_file"
    text = (folder / "config.pbtxt").read_text()
    assert near in text
    (folder / "config.pbtxt").write_text(text.replace(old, new))
    with (
        running_server(str(folder)) as running,
        urllib.request.urlopen(
            urllib.request.Request(f"{running.url}/v2/repository/index", b"{}"), timeout=30
        ) as answer,
    ):
        (row,) = json.loads(answer.read())
    assert words in row["reason"]
