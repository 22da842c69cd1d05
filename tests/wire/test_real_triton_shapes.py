"""Reshaped and optional tensors at NVIDIA's own server and at ours: shapes, data and errors are the same.

Triton's models are its Python backend's; ours are the identity backend's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import numpy as np
import pytest

from naiad.testing import running_server

PYTHON_MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [triton.InferenceResponse([
            triton.Tensor(tensor.name().replace("x", "y"), tensor.as_numpy()) for tensor in request.inputs()
        ]) for request in requests]
"""


def port(side: str, name: str, dims: str, reshape: str | None = None, more: str = "") -> str:
    shape = "" if reshape is None else f"reshape {{ shape: [ {reshape} ] }}"
    return f'{side} {{ name: "{name}" data_type: TYPE_INT32 dims: [ {dims} ] {shape} {more} }}\n'


def pair(into: str, out: str, into_reshape: str | None = None, out_reshape: str | None = None) -> str:
    return port("input", "x", into, into_reshape) + port("output", "y", out, out_reshape)


OPTIONAL = "".join(
    port("input", f"x{n}", "-1", more="optional: true" if n else "") + port("output", f"y{n}", "-1") for n in range(3)
)
ALL_OPTIONAL = port("input", "x", "2", more="optional: true") + port("output", "y", "2")

MODELS = {
    "in": "max_batch_size: 4\n" + pair("4", "2, 2", "2, 2"),
    "out": "max_batch_size: 4\n" + pair("4", "2, 2", None, "4"),
    "in_and_out": "max_batch_size: 4\n" + pair("2, 3", "6, 1", "6", "6"),
    "scalar": "max_batch_size: 4\n" + pair("1", "1", "", ""),
    "wild": "max_batch_size: 4\n" + pair("-1, 2", "-1, 1, 2", "-1, 1, 2"),
    "two_wild": "max_batch_size: 4\n" + pair("-1, -1", "-1, -1, 1", "-1, 1, -1", "-1, 1, -1"),
    "in_alone": pair("4", "2, 2", "2, 2"),
    "wild_alone": pair("-1", "-1", "-1, 1", "-1, 1"),
    "optional": "max_batch_size: 4\n" + OPTIONAL,
    "optional_alone": OPTIONAL,
    "joined": "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 20000 }\n" + OPTIONAL,
    "all_optional": "max_batch_size: 4\n" + ALL_OPTIONAL,
    "all_optional_alone": ALL_OPTIONAL,
}

CASES = [
    ("in", {"x": [1, 4]}),
    ("in", {"x": [3, 4]}),
    ("in", {"x": [1, 2, 2]}),
    ("in", {"x": [5, 4]}),
    ("out", {"x": [2, 4]}),
    ("in_and_out", {"x": [2, 2, 3]}),
    ("scalar", {"x": [1, 1]}),
    ("scalar", {"x": [4, 1]}),
    ("scalar", {"x": [4]}),
    ("wild", {"x": [2, 3, 2]}),
    ("wild", {"x": [1, 1, 2]}),
    ("wild", {"x": [1, 3, 3]}),
    ("two_wild", {"x": [2, 3, 5]}),
    ("in_alone", {"x": [4]}),
    ("in_alone", {"x": [2, 2]}),
    ("wild_alone", {"x": [5]}),
    *[
        (model, dict.fromkeys(names, shape))
        for model, shape in (("optional", [1, 2]), ("optional_alone", [2]), ("joined", [2, 2]))
        for names in (("x0",), ("x0", "x1"), ("x0", "x2"), ("x0", "x1", "x2"), ())
    ],
    ("all_optional", {"x": [1, 2]}),
    ("all_optional", {}),
    ("all_optional_alone", {}),
]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory, real_triton: Any) -> Iterator[tuple[int, int]]:
    """Of the real server and of ours."""
    folder = tmp_path_factory.mktemp("models")
    for owner, backend in (("triton", "python"), ("naiad", "identity")):
        for name, text in MODELS.items():
            version = folder / owner / name / "1"
            version.mkdir(parents=True)
            (version / "model.py").write_text(PYTHON_MODEL)
            config = f'backend: "{backend}" instance_group {{ count: 1 kind: KIND_CPU }}\n{text}'
            (version.parent / "config.pbtxt").write_text(config)
    with ExitStack() as opened:
        triton = opened.enter_context(real_triton(folder / "triton", folder / "log"))
        naiad = opened.enter_context(running_server(str(folder / "naiad")))
        yield triton.http[1], naiad.server.http_port


def ask(port: int, model: str, shapes: dict[str, list[int]]) -> Any:
    inputs = [
        {"name": name, "datatype": "INT32", "shape": shape, "data": list(range(int(np.prod(shape))))}
        for name, shape in shapes.items()
    ]
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": inputs}))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status != 200:
        return response.status, answer["error"]
    return 200, {one["name"]: (one["shape"], one["data"]) for one in answer["outputs"]}


@pytest.mark.parametrize(("model", "shapes"), CASES, ids=[f"{model} {shapes}" for model, shapes in CASES])
def test_answers_are_the_same(ports: tuple[int, int], model: str, shapes: dict[str, list[int]]) -> None:
    theirs, ours = (ask(port, model, shapes) for port in ports)
    if theirs[0] == 400 and "has 0 inputs" in theirs[1]:  # ours says more after the same words
        assert ours == (400, theirs[1] + "; at least one must say how many rows there are")
    else:
        assert ours == theirs


@pytest.mark.parametrize("model", ["optional", "optional_alone", "joined"])
def test_triton_only_counts_what_is_missing(ports: tuple[int, int], model: str) -> None:
    shapes = {name: [2] if model == "optional_alone" else [1, 2] for name in ("x1", "x2")}
    theirs, ours = (ask(port, model, shapes) for port in ports)
    assert (theirs[0], ours[0]) == (200, 400)
    assert "missing required input(s) ['x0']" in ours[1]


@pytest.mark.parametrize("model", MODELS)
def test_metadata_and_configuration_are_the_same(ports: tuple[int, int], model: str) -> None:
    """Metadata shows the dims, not the reshape."""
    found = []
    for port in ports:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        for path in ("", "/config"):
            connection.request("GET", f"/v2/models/{model}{path}")
            document = json.loads(connection.getresponse().read())
            found.append({key: document.get(f"{key}s", document.get(key)) for key in ("input", "output")})
        connection.close()
    assert found[:2] == found[2:]
