"""One table of cases through every door; answers and errors are the same. The doors are in `doors.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doors import DOORS, Case, Outcome, in_process, over_grpc, over_http
from told_model import Told

from naiad.core.datatypes import BY_NAME
from naiad.core.tensor import Array
from naiad.testing import RunningServer, running_server

REPOSITORY = Path(__file__).parents[1] / "data" / "model_repository"

KINDS = ["BOOL", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64", "FP32", "FP64", "BYTES"]
HALVES = ["FP16", "BF16"]
"""JSON and typed contents cannot carry these."""

FOREIGN = "größe 水"
"""A name of a model, a tensor, a request."""


def echo_config(*kinds: str, dims: str = "-1") -> str:
    """A model whose outputs are its inputs, one for each datatype."""
    rows = [f'name: "{kind}" data_type: {BY_NAME[kind].config_name} dims: [ {dims} ]' for kind in kinds]
    inputs = "".join(f"input {{ {row} optional: true }}\n" for row in rows)
    outputs = "".join(f'output {{ {row} label_filename: "labels.txt" }}\n' for row in rows)
    return f'backend: "identity"\nmax_batch_size: 4\n{inputs}{outputs}'


CONFIGS = {
    "echo": echo_config(*KINDS, *HALVES),
    "cube": echo_config("INT32", dims="2, -1, 3"),
    "alone": echo_config("INT32").replace("max_batch_size: 4", "max_batch_size: 0").replace("optional: true", ""),
    FOREIGN: echo_config("INT32").replace('"INT32"', f'"{FOREIGN}"'),
    "patient": echo_config("INT32")
    + """dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 600000000
  default_queue_policy { default_timeout_microseconds: 500000000 allow_timeout_override: true } }""",
}
"""Models by name; `patient` waits ten minutes for company."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(config)
        (folder / name / "labels.txt").write_text("zero\none\nGröße\n")
    with running_server(str(folder), str(REPOSITORY / "simple"), str(REPOSITORY / "simple_string")) as running:
        assert running.all_loaded

        async def add() -> None:
            running.server.engine.catalog.add(Told())

        running.run(add)
        yield running


def numbers(rows: int = 1, columns: int = 16, kind: str = "INT32") -> Array:
    return np.arange(rows * columns, dtype=BY_NAME[kind].numpy).reshape(rows, columns)


def strings(*values: bytes) -> Array:
    made = np.empty((1, len(values)), np.object_)
    made[0, :] = values
    return made


def simple(left: Array, right: Array, kind: str = "INT32", **more: Any) -> Case:
    return Case("simple", {"INPUT0": (kind, left), "INPUT1": (kind, right)}, **more)


def echo(kind: str, data: Array, **more: Any) -> Case:
    return Case("echo", {kind: (kind, data)}, **more)


def told(**parameters: Any) -> Case:
    return Case("told", {"IN": ("INT32", np.array([1], np.int32))}, parameters=parameters)


def fractions(kind: str, *values: float) -> Array:
    return np.array([values], BY_NAME[kind].numpy)


DIGITS = strings(*(str(n).encode() for n in range(16)))
TOO_LONG = "x" * 129

ANSWERED: dict[str, Case] = {
    "numbers": simple(numbers(), numbers(), id="7", version="1"),
    "a batch": simple(numbers(8), numbers(8)),
    "some outputs": simple(numbers(), numbers(), classes={"OUTPUT1": 0}),
    "outputs in another order": simple(numbers(), numbers(), classes={"OUTPUT1": 0, "OUTPUT0": 0}),
    "strings": Case("simple_string", {"INPUT0": ("BYTES", DIGITS), "INPUT1": ("BYTES", DIGITS)}),
    "text of any kind": echo("BYTES", strings(b"", "Größe 水 🜁".encode(), b"\0", b'"\\\n\x7f')),
    "a long text": echo("BYTES", strings(b"x" * 100_000)),
    "names of any kind": Case(FOREIGN, {FOREIGN: ("INT32", numbers(1, 2))}, id=FOREIGN, classes={FOREIGN: 0}),
    "an id of any kind": simple(numbers(), numbers(), id='"\\\n\t🜁'),
    "truth": echo("BOOL", np.array([[True, False]])),
    **{
        f"limits of {kind}": echo(
            kind, np.array([[np.iinfo(kind.lower()).min, np.iinfo(kind.lower()).max]], kind.lower())
        )
        for kind in KINDS
        if "INT" in kind
    },
    "limits of FP32": echo("FP32", fractions("FP32", 0.1, -1e30, np.finfo(np.float32).max, 1e-45, -0.0)),
    "limits of FP64": echo("FP64", fractions("FP64", 0.1, -1e300, np.finfo(np.float64).max, 5e-324, 1 / 3)),
    **{f"nothing of {kind}": echo(kind, np.zeros((1, 0), BY_NAME[kind].numpy)) for kind in KINDS},
    "several kinds": Case("echo", {kind: (kind, np.ones((2, 3), BY_NAME[kind].numpy)) for kind in KINDS[:-1]}),
    "three dimensions": Case("cube", {"INT32": ("INT32", np.arange(24, dtype=np.int32).reshape(2, 2, 2, 3))}),
    "an empty dimension": Case("cube", {"INT32": ("INT32", np.zeros((1, 2, 0, 3), np.int32))}),
    "no batches": Case("alone", {"INT32": ("INT32", np.arange(5, dtype=np.int32))}),
    # classification
    "classes": simple(numbers(2), numbers(2), classes={"OUTPUT0": 3}),
    "all classes and more": simple(numbers(), numbers(), classes={"OUTPUT0": 99, "OUTPUT1": 1}),
    "classes with labels": echo("FP32", fractions("FP32", 0.25, 3.3, -1e-7, 7), classes={"FP32": 4}),
    "classes of a batch": echo("FP64", fractions("FP64", 1, 2, 3).repeat(3, axis=0), classes={"FP64": 2}),
    "classes of bytes": echo("UINT8", np.array([[0, 255]], np.uint8), classes={"UINT8": 1}),
    "classes without batches": Case("alone", {"INT32": ("INT32", np.array([3, 9, 4], np.int32))}, classes={"INT32": 2}),
    # parameters
    "parameters": simple(numbers(), numbers(), parameters={"mine": 1, "priority": 0, "timeout": 10**6}),
    "parameters of every kind": told(word="Größe", truth=False, count=-5, fraction=0.5, empty=""),
    "numbers at the limit": told(least=-(2**63), most=2**63 - 1),
    "priority and timeout": told(priority=3, timeout=2**40),
    "a sequence": told(sequence_id=7, sequence_start=True, sequence_end=False, mine=1),
    "the end of a sequence": told(sequence_id=2**63 - 1, sequence_end=True),
    "a named sequence": told(sequence_id="ü" * 64, sequence_start=True),
    "no sequence but its flags": told(sequence_start=True, sequence_end=True),
    "a sequence and a model that ignores it": simple(numbers(), numbers(), parameters={"sequence_id": 7}),
}

REFUSED: dict[str, Case] = {
    "unknown model": Case("nope", {"x": ("INT32", numbers())}),
    "unknown version": simple(numbers(), numbers(), version="9"),
    "missing input": Case("simple", {"INPUT0": ("INT32", numbers())}, id="m"),
    "no inputs": Case("simple", {}),
    "unknown input": Case("simple", {name: ("INT32", numbers()) for name in ("INPUT0", "INPUT1", "INPUT2")}),
    "unknown instead of another": Case("simple", {name: ("INT32", numbers()) for name in ("INPUT0", FOREIGN)}),
    "unknown output": simple(numbers(), numbers(), classes={"OUTPUT9": 0}),
    "other datatype": simple(numbers(kind="FP32"), numbers(kind="FP32"), "FP32", id="d"),
    "other shape": simple(numbers(columns=15), numbers(columns=15)),
    "no batch dimension": simple(numbers()[0], numbers()[0]),
    "too many dimensions": Case("cube", {"INT32": ("INT32", np.zeros((1, 2, 2, 3, 1), np.int32))}),
    "a wrong fixed dimension": Case("cube", {"INT32": ("INT32", np.zeros((1, 2, 2, 4), np.int32))}),
    "too large a batch": simple(numbers(9), numbers(9)),
    "a batch of none": simple(numbers(0), numbers(0)),
    "two batch sizes": simple(numbers(1), numbers(2)),
    "a batch for a model without": Case("alone", {"INT32": ("INT32", numbers(1, 5))}),
    "classes of strings": Case(
        "simple_string", {"INPUT0": ("BYTES", DIGITS), "INPUT1": ("BYTES", DIGITS)}, classes={"OUTPUT0": 1}
    ),
    "classes of truth": echo("BOOL", np.array([[True, False]]), classes={"BOOL": 1}),
    "text that is no number": Case(
        "simple_string", {"INPUT0": ("BYTES", strings(*[b"x"] * 16)), "INPUT1": ("BYTES", DIGITS)}
    ),
    "time that is over": Case(
        "patient", {"INT32": ("INT32", numbers(1, 2))}, id="late", parameters={"timeout": 1000, "priority": 1}
    ),
}

CASES = {**ANSWERED, **REFUSED}


@pytest.mark.parametrize("name", CASES)
def test_every_door_gives_the_same(server: RunningServer, name: str) -> None:
    case = CASES[name]
    outcomes = {door: ask(server, case) for door, ask in DOORS.items()}
    told = {door: (one.tensors, one.model, one.error) for door, one in outcomes.items()}
    statuses: dict[str, set[Any]] = {"HTTP": set(), "gRPC": set()}
    for door, one in outcomes.items():
        statuses[door.split()[0]].add(one.status)
    inside = in_process(server, case)
    told["in-process"] = (inside.tensors, inside.model, inside.error)
    if inside.error:
        assert statuses == {"HTTP": {inside.status[0]}, "gRPC": {inside.status[1]}}
    assert told == dict.fromkeys(told, told["HTTP JSON"])
    assert bool(inside.error) is (name in REFUSED)


@pytest.mark.parametrize("kind", HALVES)
def test_halves_travel_as_bytes(server: RunningServer, kind: str) -> None:
    data = np.array([[0.5, -2.0, 65504.0 if kind == "FP16" else 0.0]], np.float16)
    if kind == "BF16":
        data = (data.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BY_NAME[kind].numpy)
    case = echo(kind, data)
    outcomes = [over_http(server, case, is_binary=True), over_grpc(server, case, is_typed=False)]
    inside = in_process(server, case)
    assert [one.tensors for one in outcomes] == [inside.tensors] * 2
    assert (inside.error, inside.tensors[0][:3]) == ("", (kind, kind, (1, 3)))
    as_json = over_http(server, case, is_binary=False)
    assert (as_json.status, as_json.error) == (
        400,
        f"receiving {kind} data via JSON is not supported. Please use the binary data format for input {kind}",
    )


WORDS_OF_EACH: dict[str, tuple[dict[str, Any], Outcome, Outcome]] = {
    "a sequence of truth": (
        {"sequence_id": True},
        Outcome(error="Unable to parse 'sequence_id': attempt to access JSON non-string as string", status=500),
        Outcome(
            error="invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
            status="INVALID_ARGUMENT",
        ),
    ),
    "a start that is a number": (
        {"sequence_start": 1},
        Outcome(error="Unable to parse 'sequence_start': attempt to access JSON non-boolean as boolean", status=500),
        Outcome(
            error="invalid value type for 'sequence_start' parameter, expected bool_param.", status="INVALID_ARGUMENT"
        ),
    ),
    "too long a sequence id": (
        {"sequence_id": TOO_LONG},
        Outcome(error="string correlation ID cannot be longer than 128 characters", status=501),
        Outcome(error="string correlation ID cannot be longer than 128 characters", status="UNIMPLEMENTED"),
    ),
    "a priority of text": (
        {"priority": "high"},
        Outcome(
            error="Unable to parse 'priority': attempt to access JSON non-unsigned-integer as unsigned-integer",
            status=500,
        ),
        Outcome(
            error="invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
            status="INVALID_ARGUMENT",
        ),
    ),
    "a timeout of text": (
        {"timeout": "soon"},
        Outcome(
            error="Unable to parse 'timeout': attempt to access JSON non-unsigned-integer as unsigned-integer",
            status=500,
        ),
        Outcome(error="invalid value type for 'timeout' parameter, expected int64_param.", status="INVALID_ARGUMENT"),
    ),
    "a reserved name": (
        {"triton_mine": 1},
        Outcome(
            error="parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
            status=400,
        ),
        Outcome(
            error="parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys "
            "starting with 'triton_' are allowed: triton_enable_empty_final_response",
            status="INVALID_ARGUMENT",
        ),
    ),
}
"""Parameters that cannot be: each protocol has its own words, which are Triton's; over HTTP, over gRPC."""


@pytest.mark.parametrize("name", WORDS_OF_EACH)
def test_parameters_that_cannot_be(server: RunningServer, name: str) -> None:
    parameters, http, grpc = WORDS_OF_EACH[name]
    case = told(**parameters)
    assert [over_http(server, case, is_binary=binary) for binary in (False, True)] == [http, http]
    assert [over_grpc(server, case, is_typed=typed) for typed in (False, True)] == [grpc, grpc]
