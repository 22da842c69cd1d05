"""The same sequences, right and wrong, at NVIDIA's own server and at ours: what the steps are answered, and what ran.

There its Python backend adds up as the backends `sequence` and `dyna_sequence` do.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from math import prod
from typing import Any

import pytest
import sequence_models
from stories import executions, story

from naiad.testing import running_server

RUN_S = 0.4
"""Of one execution of the slow models; long enough for a busy machine."""

PYTHON_MODEL = """
import json
import time
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.delay_s = float(config["parameters"].get("execute_delay_ms", {}).get("string_value", "0")) / 1000
        self.by_id = any(one["name"] == "CORRID" for one in config["sequence_batching"]["control_input"])
        self.sums = {}

    def execute(self, requests):
        time.sleep(self.delay_s)
        return [self.step(row, request) for row, request in enumerate(requests)]

    def step(self, row, request):
        def of(name):
            return triton.get_input_tensor_by_name(request, name).as_numpy()

        key = int(of("CORRID").item()) if self.by_id else row
        if of("READY").item():
            before = 0 if of("START").item() else self.sums.get(key, 0)
            self.sums[key] = before + int(of("INPUT").sum()) + (key if self.by_id and of("END").item() else 0)
        made = numpy.full(of("INPUT").shape, self.sums.get(key, 0), numpy.int32)
        return triton.InferenceResponse([triton.Tensor("OUTPUT", made)])
"""

ONE = "instance_group { count: 1 kind: KIND_CPU }"
DELAY = sequence_models.slow(int(RUN_S * 1000))
ENOUGH = "direct { max_queue_delay_microseconds: 300000 minimum_slot_utilization: 0.75 }"
PREFERRED = "preferred_batch_size: [ 2 ]"
SHORT = "max_sequence_idle_microseconds: 300000"


def short(config: str) -> str:
    return config.replace(sequence_models.IDLE, SHORT)


MODELS = {
    "direct": f"max_batch_size: 4 {sequence_models.direct()} {ONE} {DELAY}",
    "waiting": f"max_batch_size: 4 {sequence_models.direct(ENOUGH)} {ONE} {DELAY}",
    "oldest": f"max_batch_size: 4 {sequence_models.oldest('TYPE_UINT64')} {ONE} {DELAY}",
    "preferred": f"max_batch_size: 4 {sequence_models.oldest('TYPE_UINT64', PREFERRED)} {ONE} {DELAY}",
    "one": f"max_batch_size: 1 {sequence_models.direct()} {ONE} {DELAY}",
    "idle": f"max_batch_size: 1 {short(sequence_models.direct())} {ONE}",
    "quick": f"max_batch_size: 4 {sequence_models.direct()} {ONE}",
    "quick_by_id": f"max_batch_size: 4 {sequence_models.oldest('TYPE_UINT64')} {ONE}",
    "no_rows": f"max_batch_size: 0 {sequence_models.direct()} {ONE}",
}

Step = dict[str, Any]


def step(name: Any = None, value: int = 1, flags: str = "", **more: Any) -> Step:
    """A request; flags: `<` begins its sequence, `>` ends it."""
    place = {} if name is None else {"sequence_id": name}
    marks = {"sequence_start": "<" in flags, "sequence_end": ">" in flags} if flags else {}
    return {"value": value, "parameters": {**place, **marks, **more}}


CONVERSATIONS: dict[str, tuple[str, list[Step]]] = {
    "one sequence": ("quick", [step(5, 1, "<"), step(5, 2), step(5, 3, ">")]),
    "one of one step": ("quick", [step(5, 1, "<>"), step(5, 2, "<>")]),
    "by id": ("quick_by_id", [step(5, 1, "<"), step(5, 2), step(5, 3, ">")]),
    "two mixed": (
        "quick",
        [step(5, 1, "<"), step(6, 10, "<"), step(5, 2), step(6, 20), step(5, 3, ">"), step(6, 3, ">")],
    ),
    "by id, two mixed": ("quick_by_id", [step(5, 1, "<"), step(6, 10, "<"), step(5, 2, ">"), step(6, 20, ">")]),
    "an id of text": ("quick", [step("abc", 1, "<"), step("abc", 2, ">")]),
    "text and number are two": ("quick", [step("7", 1, "<"), step(7, 100, "<"), step("7", 1, ">"), step(7, 1, ">")]),
    "without rows": ("no_rows", [step(5, 1, "<"), step(5, 2, ">")]),
    "no parameters": ("quick", [step()]),
    "no id": ("quick", [step(flags="<")]),
    "id 0": ("quick", [step(0, 1, "<")]),
    "empty id": ("quick", [step("", 1, "<")]),
    "no start": ("quick", [step(77, 1)]),
    "no start, text": ("quick", [step("nobody", 1)]),
    "an end without a start": ("quick", [step(77, 1, ">")]),
    "after the end": ("quick", [step(5, 1, "<>"), step(5, 2)]),
    "two starts": ("quick", [step(5, 1, "<"), step(5, 7, "<"), step(5, 1, ">")]),
    "two rows": ("quick", [{**step(5, 1, "<"), "shape": [2, 1]}]),
    "no rows": ("quick", [{**step(5, 1, "<"), "shape": [0, 1]}]),
    "another shape": ("quick", [{**step(5, 1, "<"), "shape": [1, 2]}]),
    "a control as an input": ("quick", [{**step(5, 1, "<"), "further": "START"}]),
    "a long id": ("quick", [step("x" * 128, 1, "<>"), step("x" * 129, 1, "<>")]),
    "a large id": ("quick_by_id", [step(2**63 + 5, 1, "<"), step(2**63 + 5, 2)]),
    "idle too long": ("idle", [step(5, 1, "<"), {"sleep_s": 1.0}, step(5, 1)]),
    "the place of an idle one": ("idle", [step(5, 1, "<"), step(6, 2, "<>")]),
}
"""Model, and what is asked one after the other."""


ANSWERED: Counter[str] = Counter()
"""By model, how many requests of stories have been answered."""

JOINED_SOONER = ("oldest", "preferred")
"""Models whose steps join the next run where Triton, which has put that together already, runs them in a later one."""


@dataclass(frozen=True)
class Timed:
    """A request in a story."""

    name: str
    after: float
    """Runs after the beginning."""
    step: Step


def timed(*given: tuple[float, Step]) -> list[Timed]:
    return [Timed(str(number), after, one) for number, (after, one) in enumerate(given)]


STORIES: dict[str, tuple[str, list[Timed]]] = {
    "rows without a step": (
        "direct",
        timed(
            (0, step(1, 1, "<")), (0.2, step(2, 1, "<")), (0.3, step(3, 1, "<")), (2.2, step(3, 5)), (2.4, step(1, 1))
        ),
    ),
    "one of each sequence": (
        "oldest",
        timed(
            (0, step(1, 1, "<")), (0.2, step(2, 1, "<")), (0.3, step(2, 2)), (0.4, step(1, 2)), (0.5, step(3, 1, "<>"))
        ),
    ),
    "a preferred size": (
        "preferred",
        timed(
            (0, step(1, 1, "<>")),
            (0.2, step(2, 1, "<>")),
            (0.3, step(3, 1, "<>")),
            (0.4, step(4, 1, "<>")),
        ),
    ),
    "enough rows": ("waiting", timed((0, step(1, 1, "<")), (0.1, step(2, 1, "<")), (0.2, step(3, 1, "<>")))),
    "not enough rows": (
        "waiting",
        timed(
            (0, step(4, 1, "<>")),
        ),
    ),
    "the backlog": (
        "one",
        timed(
            (0, step(1, 1, "<")),
            (0.2, step(2, 5, "<")),
            (0.3, step(3, 9, "<>")),
            (0.4, step(2, 1, ">")),
            (1.3, step(1, 1, ">")),
        ),
    ),
    "no time for the backlog": (
        "one",
        timed(
            (0, step(5, 1, "<")),
            (0.3, step(6, 1, "<", timeout=100_000)),
            (2.0, step(5, 1, ">")),
        ),
    ),
}
"""Model, and when what is asked."""


def ask(port: int, model: str, one: Step) -> tuple[int, Any]:
    """Status, and the sum or the error."""
    shape = one.get("shape", [1] if model == "no_rows" else [1, 1])
    tensor = {"name": "INPUT", "datatype": "INT32", "shape": shape, "data": [one["value"]] * prod(shape)}
    inputs = [tensor]
    if "further" in one:
        inputs.append({**tensor, "name": one["further"]})
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    document = {"inputs": inputs, "parameters": one["parameters"]}
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps(document))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status == 200:
        return 200, answer["outputs"][0]["data"][0]
    return response.status, answer["error"].replace("required input(s) ].", "required input(s) [].")


def ask_timed(port: int, model: str, request: Timed) -> tuple[int, Any]:
    return ask(port, model, request.step)


def converse(port: int, model: str, steps: list[Step]) -> list[tuple[int, Any]]:
    told = []
    for one in steps:
        if "sleep_s" in one:
            time.sleep(one["sleep_s"])
        else:
            told.append(ask(port, model, one))
    return told


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[int, int]]:
    """Of the real server and of ours."""
    folder = tmp_path_factory.mktemp("models")
    for side in ("triton", "naiad"):
        for name, config in MODELS.items():
            version = folder / side / name / "1"
            version.mkdir(parents=True)
            text = f'name: "{name}" {config}\n'
            if side == "triton":
                (version / "model.py").write_text(PYTHON_MODEL)
                text = re.sub(r'backend: "\w+"', 'backend: "python"', text)
            (version.parent / "config.pbtxt").write_text(text)
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(folder / "triton", folder / "log"))
        naiad = opened.enter_context(running_server(str(folder / "naiad")))
        yield triton.http[1], naiad.server.http_port


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_steps_are_answered_as_at_triton(ports: tuple[int, int], name: str) -> None:
    theirs, ours = (converse(port, *CONVERSATIONS[name]) for port in ports)
    assert ours == theirs


@pytest.mark.parametrize("name", STORIES)
def test_steps_run_when_they_run_at_triton(ports: tuple[int, int], name: str) -> None:
    model, requests = STORIES[name]
    before = [executions(port, model, ANSWERED[model]) for port in ports]
    theirs, ours = (story(requests, partial(ask_timed, port, model), RUN_S) for port in ports)
    assert {one: told[:2] for one, told in ours.items()} == {one: told[:2] for one, told in theirs.items()}
    ANSWERED[model] += sum(status == 200 for status, *_ in ours.values())
    if model in JOINED_SOONER:
        assert all(ours[one][2] <= told[2] for one, told in theirs.items())
        return
    assert ours == theirs
    after = [executions(port, model, ANSWERED[model]) for port in ports]
    assert after[1] - before[1] == after[0] - before[0]
