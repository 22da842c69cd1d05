"""Every backend runs a tensor model in the same way: outputs equal to inputs, whatever the runtime.

What holds for all kinds of models is in `test_backends.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_models import FILES, case, check, tensor_files

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, Instance, LoadRequest, TensorFiles
from naiad.core.errors import LoadFailed
from naiad.core.message import InferRequest, InferResponse
from naiad.modelconfig import finish, prepare

Load = Callable[..., Instance[InferRequest, InferResponse]]


@pytest.fixture(params=sorted(FILES))
def load(request: Any, tmp_path: Path) -> Iterator[Load]:
    loaded: list[Any] = []

    def make(max_batch_size: int = 8) -> Any:
        files = tensor_files(request.param, tmp_path, max_batch_size)
        (instance,) = find_backend(request.param).load(LoadRequest(files, ("m_0",))).narrow
        loaded.append(instance)
        return instance

    yield make
    for instance in loaded:
        instance.close()


@pytest.mark.parametrize("rows", [[1], [3], [0], [1, 1], [2, 1, 3], [1, 0, 2]])
def test_each_request_gets_its_own_rows(load: Load, rows: list[int]) -> None:
    requests = [case(count, seed) for seed, count in enumerate(rows, start=1)]
    for request, response in zip(requests, load().execute(Batch(requests)), strict=True):
        check(request, response)


@pytest.mark.parametrize(
    "wanted", [[["x_out"]], [["s_out", "x_out"]], [["n_out"], []], [["n_out"], ["s_out", "n_out"]]]
)
def test_each_request_gets_the_outputs_it_asks_for(load: Load, wanted: list[list[str]]) -> None:
    requests = [case(2, seed, names) for seed, names in enumerate(wanted, start=1)]
    for request, response in zip(requests, load().execute(Batch(requests)), strict=True):
        check(request, response)


@pytest.mark.parametrize("count", [1, 3])
def test_models_without_a_batch_dimension(load: Load, count: int) -> None:
    requests = [case(1, seed, batches=False) for seed in range(count)]
    for request, response in zip(requests, load(max_batch_size=0).execute(Batch(requests)), strict=True):
        check(request, response)


def test_an_input_is_not_written_to(load: Load) -> None:
    request = case(2, 1)
    for tensor in request.inputs.values():
        tensor.data.setflags(write=False)
    (response,) = load().execute(Batch([request]))
    check(request, response)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_config_that_does_not_fit_is_a_load_error(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path, True)
    document = prepare(
        {
            "backend": name,
            "max_batch_size": 8,
            "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
            "output": [{"name": "x_out", "data_type": "TYPE_INT64", "dims": [2]}],
        },
        "m",
    )
    with pytest.raises(LoadFailed, match="'m'"):
        find_backend(name).load(LoadRequest(TensorFiles(finish(document), "2", tmp_path, tmp_path), ("m_0",)))
