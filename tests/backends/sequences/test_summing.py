"""The backends that add up what a row, or a sequence, is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, LoadRequest, TensorFiles
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.message import InferRequest
from naiad.core.tensor import Tensor
from naiad.modelconfig import finish, prepare

VECTOR = {"data_type": "TYPE_INT32", "dims": [-1]}


def control(name: str, **more: Any) -> dict[str, Any]:
    kind = more or {"int32_false_true": [0, 1]}
    return {"name": name, "control": [{"kind": f"CONTROL_SEQUENCE_{name}", **kind}]}


CONTROLS = {
    "sequence": [control("START"), control("READY")],
    "dyna_sequence": [
        control("START"),
        control("END"),
        control("READY"),
        control("CORRID", data_type="TYPE_UINT64"),
    ],
}


def load(backend: str, controls: Any = None, parameters: dict[str, str] | None = None, **fields: Any) -> Any:
    document = {
        "backend": backend,
        "max_batch_size": 8,
        "input": [{"name": "INPUT", **VECTOR}],
        "output": [{"name": "OUTPUT", **VECTOR}],
        "sequence_batching": {"control_input": CONTROLS[backend] if controls is None else controls},
        "parameters": {key: {"string_value": value} for key, value in (parameters or {}).items()},
        **fields,
    }
    files = TensorFiles(finish(prepare(document, "m")), "1", Path(), Path())
    (instance,) = find_backend(backend).load(LoadRequest(files, ("m_0",))).narrow
    return instance


def step(*values: int, start: int = 0, ready: int = 1, end: int = 0, name: Any = 7) -> InferRequest:
    text = isinstance(name, str)
    corrid = np.array([[name.encode()]], object) if text else np.array([[name]], np.uint64)
    tensors = {
        "INPUT": Tensor.of("INPUT", np.array([values], np.int32)),
        **{key: Tensor.of(key, np.array([[value]], np.int32)) for key, value in
           (("START", start), ("READY", ready), ("END", end))},
        "CORRID": Tensor("CORRID", "BYTES" if text else "UINT64", corrid),
    }  # fmt: skip
    return InferRequest("m", inputs=tensors)


def run(instance: Any, *requests: InferRequest) -> list[Any]:
    results = instance.execute(Batch(list(requests)))
    return [one.message if isinstance(one, NaiadError) else one.outputs[0].data.tolist() for one in results]


def test_each_row_has_a_sum() -> None:
    instance = load("sequence")
    assert run(instance, step(1, 2, start=1), step(10, start=1)) == [[[3, 3]], [[10]]]
    assert run(instance, step(4), step(99, ready=0), step(5, start=1)) == [[[7]], [[10]], [[5]]]
    assert run(instance, step(1), step(1)) == [[[8]], [[11]]]


def test_each_id_has_a_sum_and_the_last_step_adds_the_id() -> None:
    instance = load("dyna_sequence")
    assert run(instance, step(1, 2, start=1, name=7), step(10, start=1, name=8)) == [[[3, 3]], [[10]]]
    assert run(instance, step(5, name=8), step(99, ready=0, name=7), step(4, name=7, end=1)) == [[[15]], [[0]], [[14]]]
    assert run(instance, step(1, name=8, end=1), step(1, name=7)) == [[[24]], [[1]]]


def test_ids_may_be_written_out() -> None:
    controls = [*CONTROLS["dyna_sequence"][:3], control("CORRID", data_type="TYPE_STRING")]
    instance = load("dyna_sequence", controls)
    assert run(instance, step(1, start=1, end=1, name="1002")) == [[[1003]]]
    assert run(instance, step(1, start=1, name="x")) == ["model 'm' needs an id that is a number, not 'x'"]


def test_sums_wrap_as_int32_does() -> None:
    assert run(load("sequence"), step(2**31 - 1, 1, start=1)) == [[[-(2**31), -(2**31)]]]


def test_sums_of_sequences_that_never_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naiad.backends.sequences.dyna_sequence.MOST_SUMS", 2)
    instance = load("dyna_sequence")
    for name in (1, 2, 1, 3):
        run(instance, step(1, name=name))
    assert sorted(instance._sums) == [1, 3]


@pytest.mark.parametrize(
    ("backend", "fields", "words"),
    [
        ("sequence", {"controls": [control("START")]}, "'START' and 'READY' must be configured as the control inputs"),
        ("sequence", {"controls": CONTROLS["dyna_sequence"]}, "'START' and 'READY' must be configured"),
        ("sequence", {"sequence_batching": None}, "'START' and 'READY' must be configured"),
        ("dyna_sequence", {"controls": CONTROLS["sequence"]}, "'END, 'READY' and 'CORRID' must be configured"),
        (
            "dyna_sequence",
            {"controls": [*CONTROLS["dyna_sequence"][:3], control("CORRID", data_type="TYPE_INT32")]},
            "must have TYPE_UINT64 or TYPE_STRING data-type",
        ),
        ("sequence", {"input": [{"name": "IN", **VECTOR}]}, "model input must be named 'INPUT'"),
        ("sequence", {"output": [{"name": "OUT", **VECTOR}]}, "model output must be named 'OUTPUT'"),
        ("sequence", {"input": [{"name": "INPUT", **VECTOR, "dims": [1, 1]}]}, "with vector shape, any length"),
        ("sequence", {"input": [{"name": "INPUT", **VECTOR, "dims": [3]}]}, "with shape matching 'INPUT'"),
        (
            "sequence",
            {"input": [{"name": "INPUT", "data_type": "TYPE_FP32", "dims": [-1]}]},
            "input must have TYPE_INT32 data-type",
        ),
        ("sequence", {"parameters": {"execute_delay_ms": "x"}}, "'execute_delay_ms' must be a whole number"),
        ("dyna_sequence", {"parameters": {"execute_delay_ms": "3600001"}}, "up to 3600 s are allowed"),
    ],
)
def test_what_is_declared_otherwise_is_refused(backend: str, fields: Any, words: str) -> None:
    if fields.pop("sequence_batching", 0) is None:
        fields = {**fields, "controls": []}
    with pytest.raises(LoadFailed, match=r"^model 'm': ") as refused:
        load(backend, **fields)
    assert words in refused.value.message
