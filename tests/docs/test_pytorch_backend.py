"""`examples/backends/pytorch` with modules as people write them: what they take and give, in which order, how many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naiad
from naiad.testing import RunningServer, running_server

pytestmark = pytest.mark.torch

BACKENDS = Path(__file__).parents[2] / "examples" / "backends"
MANY = 11


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    torch = pytest.importorskip("torch", reason="torch is not installed")

    class Many(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10):  # type: ignore[no-untyped-def]
            return a10 - a0, (a1 + a2).sum(1)

    class Named(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return {"second": x * 3, "first": x * 2}

    class Sum(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x.sum()

    repository = tmp_path_factory.mktemp("models")
    inputs = "".join(f'input {{ name: "INPUT__{n}" data_type: TYPE_FP32 dims: [ 3 ] }}' for n in reversed(range(MANY)))
    for name, module, config in (
        ("many", Many(), f"""max_batch_size: 7 {inputs}
            output {{ name: "OUTPUT__1" data_type: TYPE_FP32 dims: [ 1 ] reshape {{ shape: [ ] }} }}
            output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }}"""),
        ("named", Named(), """max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
            output { name: "first" data_type: TYPE_FP32 dims: [ 3 ] }
            output { name: "second" data_type: TYPE_FP32 dims: [ 3 ] }"""),
        ("sum", Sum(), """input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
            output { name: "y" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }"""),
    ):  # fmt: skip
        folder = repository / name / "1"
        folder.mkdir(parents=True)
        example = tuple(torch.zeros(2, 3) for _ in range(MANY if name == "many" else 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's, of what people's files were made with
            torch.jit.trace(module, example, strict=False).save(folder / "model.pt")
        (folder.parent / "config.pbtxt").write_text('platform: "pytorch_libtorch" ' + config)
    with running_server(str(repository), backend_directory=str(BACKENDS)) as running:
        assert running.all_loaded
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[naiad.Client]:
    with naiad.Client(server.url) as opened:
        yield opened


def test_inputs_and_outputs_are_in_the_order_of_their_numbers(client: naiad.Client) -> None:
    def ask(seed: int) -> None:
        made: Any = np.random.default_rng(seed)
        inputs = {f"INPUT__{n}": made.random((1 + seed % 7, 3), np.float32) for n in range(MANY)}
        answer = client.infer("many", inputs)
        assert np.array_equal(answer["OUTPUT__0"], inputs["INPUT__10"] - inputs["INPUT__0"])
        expected = (inputs["INPUT__1"] + inputs["INPUT__2"]).sum(1)
        assert np.allclose(np.ravel(answer["OUTPUT__1"]), expected)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))


def test_a_dict_gives_the_outputs_by_their_names(client: naiad.Client) -> None:
    answer = client.infer("named", {"x": np.ones((3, 3), np.float32)})
    assert answer["first"].tolist() == [[2.0] * 3] * 3
    assert answer["second"].tolist() == [[3.0] * 3] * 3


def test_a_model_without_a_batch_may_give_one_number(client: naiad.Client) -> None:
    assert client.infer("sum", {"x": np.ones(5, np.float32)})["y"].tolist() == [5.0]
    assert client.infer("sum", {"x": np.zeros(0, np.float32)})["y"].tolist() == [0.0]
