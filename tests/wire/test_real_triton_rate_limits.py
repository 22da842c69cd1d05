"""Models that share a resource, at NVIDIA's own server and at ours: who runs when, and what cannot be loaded."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from identity_in_python import identity_in_python

from naiad.testing import running_server

RUN_S = 0.4
"""Of one execution; long enough for a busy machine."""

PYTHON_MODEL = identity_in_python(run_s=RUN_S)

CONFIG = """
name: "{name}" backend: "{backend}" max_batch_size: {batch}
input {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 1 ] }}
parameters {{ key: "execute_delay_ms" value {{ string_value: "{delay_ms:.0f}" }} }}
instance_group {{ kind: KIND_CPU {group} }}
"""

ONE = 'rate_limiter { resources { name: "R" count: 1 } priority: %d }'
MODELS = {
    "often": (1, "count: 1 " + ONE % 1),
    "seldom": (1, "count: 1 " + ONE % 4),
    "joined": (8, "count: 1 " + ONE % 1),
    "greedy": (1, 'count: 1 rate_limiter { resources { name: "R" count: 9 } }'),
    "mixed": (1, 'count: 1 rate_limiter { resources { name: "R" count: 1 global: true } }'),
}

TWO = ("often", "seldom")
STORIES = {
    "often first": [("often", "busy", 0.0), *((model, f"{model[0]}{n}", 0.3) for n in range(3) for model in TWO)],
    "seldom first": [("seldom", "busy", 0.0), *((model, f"{model[0]}{n}", 0.3) for n in range(3) for model in TWO)],
}
"""Model, name of the request, and how many runs after the first one it comes; one after the other."""


def write(folder: Path, backend: str, put: Callable[[Path], object]) -> Path:
    for name, (batch, group) in MODELS.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        put(version)
        text = CONFIG.format(name=name, backend=backend, batch=batch, delay_ms=RUN_S * 1000, group=group)
        if name == "joined":
            text += "dynamic_batching { }"
        (folder / name / "config.pbtxt").write_text(text)
    return folder


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[int, int]]:
    """Of the real server and of ours."""
    folder = tmp_path_factory.mktemp("models")
    theirs = write(folder / "triton", "python", lambda version: (version / "model.py").write_text(PYTHON_MODEL))
    ours = write(folder / "naiad", "identity", lambda _: None)
    loaded = ("often", "seldom", "joined")
    options = ["--rate-limit=execution_count", "--rate-limit-resource=R:1", "--model-control-mode=explicit"]
    options += [f"--load-model={name}" for name in loaded]
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(theirs, folder / "log", tuple(options)))
        naiad = opened.enter_context(
            running_server(
                str(ours),
                join_waiting=False,
                run_ahead=False,
                adaptive_batching=False,
                rate_limit="execution_count",
                rate_limit_resource=("R:1",),
                model_control_mode="explicit",
                load_model=loaded,
            )
        )
        yield triton.http[1], naiad.server.http_port


def post(port: int, path: str, document: Any) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(document))
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body or b"null")


def order_of(port: int, story: list[tuple[str, str, float]]) -> list[str]:
    """The names of the requests, in the order in which they were answered."""
    answered: list[str] = []
    begin = time.monotonic()
    document = {"inputs": [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [1]}]}

    def send(model: str, name: str, after: float) -> None:
        time.sleep(max(0.0, begin + after * RUN_S - time.monotonic()))
        assert post(port, f"/v2/models/{model}/infer", document)[0] == 200
        answered.append(name)

    threads = [threading.Thread(target=send, args=one) for one in story]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    return answered


def plain(names: list[str]) -> list[str]:
    """Requests of a model that come together run in any order."""
    return [name[0] if len(name) == 2 else name for name in names]


@pytest.mark.parametrize("story", STORIES)
def test_the_model_that_has_run_least_goes_first(ports: tuple[int, int], story: str) -> None:
    with ThreadPoolExecutor() as both:
        theirs, ours = (plain(one) for one in both.map(lambda port: order_of(port, STORIES[story]), ports))
    assert ours == theirs


def test_requests_that_wait_for_a_resource_become_one_batch(ports: tuple[int, int]) -> None:
    story = [("often", "busy", 0.0), *(("joined", f"j{number}", 0.2 + number / 10) for number in range(4))]
    with ThreadPoolExecutor() as both:
        assert [one[0] for one in both.map(lambda port: order_of(port, story), ports)] == ["busy", "busy"]
    sizes = []
    for port in ports:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v2/models/joined/stats")
        (stats,) = json.loads(connection.getresponse().read())["model_stats"]
        connection.close()
        sizes.append([row["batch_size"] for row in stats["batch_stats"]])
    assert sizes[1] == [4]
    assert sizes[0] in ([4], [1, 3], [1, 4]), "theirs may have begun a batch with the first"


@pytest.mark.parametrize("model", ["greedy", "mixed"])
def test_what_could_never_run_is_refused_in_the_same_words(ports: tuple[int, int], model: str) -> None:
    theirs, ours = (post(port, f"/v2/repository/models/{model}/load", {}) for port in ports)
    assert (theirs[0], ours[0]) == (400, 400)
    assert ours[1]["error"] == theirs[1]["error"].replace("Invalid argument: ", "")
