"""Samples that run before a model is ready."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from control_fixture import Fixture, Put

from naiad.core.contracts import Batch, Instances
from naiad.core.errors import LoadFailed, ModelFailed
from naiad.core.message import InferRequest, InferResponse
from naiad.loading.warmup import warm_up
from naiad.modelconfig import finish, prepare


class Recording:
    """An instance that notes what it runs."""

    def __init__(self, fails: Any = None) -> None:
        self.batches: list[list[InferRequest]] = []
        self._fails = fails

    def execute(self, batch: Batch[InferRequest]) -> list[Any]:
        self.batches.append(list(batch.items))
        if isinstance(self._fails, BaseException) and not isinstance(self._fails, ModelFailed):
            raise self._fails
        return [self._fails or InferResponse("m", "1", []) for _ in batch.items]

    def close(self) -> None:
        pass


class Streaming:
    """An instance whose second answer is an error."""

    capacity = 1

    def execute(self, batch: Batch[InferRequest], send: Any) -> None:
        send(0, InferResponse("m", "1", []), False)
        send(0, ModelFailed("broken"), False)
        send(0, None, True)

    def close(self) -> None:
        pass


def config(*samples: Any, dims: Any = (2,), kind: str = "TYPE_FP32", max_batch_size: int = 4) -> Any:
    side = {"data_type": kind, "dims": list(dims)}
    document = {
        "backend": "identity",
        "max_batch_size": max_batch_size,
        "input": [{"name": "x", **side}],
        "output": [{"name": "y", **side}],
        "model_warmup": list(samples),
    }
    return finish(prepare(document, "m"))


def sample(
    batch_size: int = 1, kind: str = "TYPE_FP32", dims: Any = (2,), name: str = "x", **data: Any
) -> dict[str, Any]:
    count = {"count": data.pop("count")} if "count" in data else {}
    given = {"data_type": kind, "dims": list(dims), **data}
    return {"name": "S", "batch_size": batch_size, "inputs": {name: given}, **count}


def run(given: Any, *instances: Any, folder: Path = Path()) -> list[list[list[InferRequest]]]:
    """What each instance ran."""
    made = instances or (Recording(),)
    warm_up(given, "1", Instances(made, names=tuple(f"m_{number}" for number in range(len(made)))), folder)
    return [one.batches for one in made]


def test_a_sample_is_requests_of_one_row_that_run_together_on_every_instance() -> None:
    given = config(sample(3, zero_data=True), sample(zero_data=True, count=2))
    for batches in run(given, Recording(), Recording()):
        assert [len(batch) for batch in batches] == [3, 1, 1]
        assert {request.inputs["x"].data.tolist() == [[0.0, 0.0]] for batch in batches for request in batch} == {True}
        assert {(request.model_name, request.model_version) for batch in batches for request in batch} == {("m", "1")}


def test_the_wide_instance_is_warmed_up_too() -> None:
    narrow, wide = Recording(), Recording()
    warm_up(config(sample(zero_data=True)), "1", Instances((narrow,), wide, names=("m_0",)), Path())
    assert (len(narrow.batches), len(wide.batches)) == (1, 1)


def test_a_sample_of_batch_size_0_is_skipped() -> None:
    assert run(config(sample(0, zero_data=True))) == [[]]


@pytest.mark.parametrize("kind", ["TYPE_BOOL", "TYPE_INT8", "TYPE_UINT64", "TYPE_FP16", "TYPE_BF16", "TYPE_FP64"])
def test_random_data_has_the_datatype_and_is_the_same_every_time(kind: str) -> None:
    given = config(sample(random_data=True, kind=kind, dims=[100]), dims=[100], kind=kind)
    first, second = (run(given)[0][0][0].inputs["x"] for _ in range(2))
    assert first.data.tobytes() == second.data.tobytes()
    assert (first.datatype, first.shape) == (kind.removeprefix("TYPE_"), (1, 100))
    assert len(set(first.data.view(np.uint8).ravel().tolist())) > 1
    if kind == "TYPE_BOOL":
        assert set(first.data.view(np.uint8).ravel().tolist()) == {0, 1}


@pytest.mark.parametrize(("id_type", "ids"), [("TYPE_UINT64", [[[1]], [[2]]]), ("TYPE_STRING", [[[b"1"]], [[b"2"]]])])
def test_requests_of_a_model_of_sequences_are_whole_ones(id_type: str, ids: Any) -> None:
    given = config(sample(2, zero_data=True))
    controls = [
        {"name": "S", "control": [{"kind": "CONTROL_SEQUENCE_START", "int32_false_true": [0, 1]}]},
        {"name": "E", "control": [{"kind": "CONTROL_SEQUENCE_END", "int32_false_true": [0, 1]}]},
        {"name": "C", "control": [{"kind": "CONTROL_SEQUENCE_CORRID", "data_type": id_type}]},
    ]
    state = {"input_name": "I", "output_name": "O", "data_type": "TYPE_FP32", "dims": [3]}
    batching = {"sequence_batching": {"control_input": controls, "state": [state]}}
    (((first, second),),) = run(finish(prepare({**given.document, **batching}, "m")))
    assert [one.inputs["C"].data.tolist() for one in (first, second)] == ids
    for one in (first, second):
        assert [one.inputs[name].data.tolist() for name in "SEI"] == [[[1]], [[1]], [[0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("data", [{"zero_data": True}, {"random_data": True}])
def test_strings_are_empty(data: Any) -> None:
    given = config(sample(kind="TYPE_STRING", **data), kind="TYPE_STRING")
    assert run(given)[0][0][0].inputs["x"].data.tolist() == [[b"", b""]]


def test_data_comes_from_the_folder_warmup(tmp_path: Path) -> None:
    (tmp_path / "warmup").mkdir()
    (tmp_path / "warmup" / "numbers").write_bytes(np.array([1, 2, 3], np.float32).tobytes())
    (tmp_path / "warmup" / "texts").write_bytes(b"\1\0\0\0a\0\0\0\0")
    numbers = run(config(sample(input_data_file="numbers"), max_batch_size=0), folder=tmp_path)
    assert numbers[0][0][0].inputs["x"].data.tolist() == [1.0, 2.0]
    texts = run(config(sample(kind="TYPE_STRING", input_data_file="texts"), kind="TYPE_STRING"), folder=tmp_path)
    assert texts[0][0][0].inputs["x"].data.tolist() == [[b"a", b""]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            config(sample(dims=[-1], zero_data=True)),
            "warmup setting expects all variable-size dimensions are specified for input 'x'",
        ),
        (config(sample()), "warmup setting expects input 'x' to have input_data_type set"),
        (
            config(sample(dims=[3], zero_data=True)),
            r"\[request id: <id_unknown>\] unexpected shape for input 'x' .* Expected \[-1,2\], got \[1,3\]",
        ),
        (config(sample(name="z", zero_data=True)), "unexpected inference input 'z' for model 'm'"),
        (
            config(sample(kind="TYPE_INT32", zero_data=True)),
            "inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'",
        ),
        (
            config(sample(input_data_file="short")),
            "warmup setting expects 8 bytes, but the data provided from short only has 3 bytes",
        ),
        (config(sample(input_data_file="none")), "warmup data 'none' cannot be read"),
        (config(sample(kind="TYPE_STRING", input_data_file="short"), kind="TYPE_STRING"), "input"),
        (config(sample(5, zero_data=True)), "failed to run warmup sample 'S': batch size 5 for 'm', max allowed is 4;"),
        (
            config(sample(2, zero_data=True), max_batch_size=0),
            "failed to run warmup sample 'S': batch size 2 for 'm', max allowed is 0;",
        ),
        (
            config(sample(zero_data=True, count=10_001)),
            "warmup sample 'S' has a count of 10001; up to 10000 are allowed",
        ),
        (config(sample(65_537, zero_data=True)), "warmup sample 'S' has a batch_size of 65537"),
        (
            config(sample(2, dims=[2**27 + 1], zero_data=True), dims=[-1]),
            "warmup setting of input 'x' takes too much memory",
        ),
    ],
)
def test_a_sample_that_cannot_be_run_fails_the_load(given: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "warmup").mkdir()
    (tmp_path / "warmup" / "short").write_bytes(b"abc")
    with pytest.raises(LoadFailed, match=f"model 'm': .*{words}"):
        run(given, folder=tmp_path)


@pytest.mark.parametrize("instance", [Recording(ModelFailed("broken")), Streaming()])
def test_a_model_that_fails_fails_the_load(instance: Any) -> None:
    with pytest.raises(LoadFailed, match=r"model 'm': failed to run warmup sample 'S': broken;$"):
        warm_up(config(sample(zero_data=True)), "1", Instances((instance,), names=("m_0",)), Path())


def test_whatever_a_model_raises_fails_the_load() -> None:
    with pytest.raises(LoadFailed, match="failed to run warmup sample 'S': KeyError: 'x';"):
        run(config(sample(zero_data=True)), Recording(KeyError("x")))


def test_what_is_run_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "naiad.loading")
    run(config(sample(zero_data=True, count=2)))
    assert caplog.messages == [
        f"model 'm' instance m_0 is running warmup sample 'S' for iteration {number}" for number in (1, 2)
    ]


WARM_UP = """
model_warmup {
  name: "zeros" batch_size: 2 count: 3
  inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: [ 16 ] zero_data: true } }
  inputs { key: "INPUT1" value { data_type: TYPE_INT32 dims: [ 16 ] random_data: true } }
}
"""


async def test_a_model_is_ready_after_its_samples_which_are_not_counted(
    repository: Path, put: Put, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "naiad.loading")
    put("m", more=WARM_UP)
    async with Fixture(repository) as fixture:
        assert await fixture.states() == {"m/1": "READY"}
        (model,) = fixture.catalog.models()
        assert (model.statistics.inference_count, model.statistics.execution_count) == (0, 0)
    runs = [message for message in caplog.messages if "is running warmup sample 'zeros'" in message]
    assert len(runs) == 3 * 2
    remarks = [message for message in caplog.messages if "model_warmup" in message]
    assert remarks == []


async def test_a_model_whose_sample_fails_is_not_served_and_is_released(
    repository: Path, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Instances[Any]] = []
    close = Instances.close
    monkeypatch.setattr(Instances, "close", lambda self: (closed.append(self), close(self))[1])
    put("bad", more=WARM_UP.replace("[ 16 ]", "[ 15 ]"))
    put("good")
    async with Fixture(repository) as fixture:
        states = await fixture.states()
        assert states.pop("good/1") == "READY"
        assert states.keys() == {"bad/1"}
        assert "unexpected shape for input 'INPUT1' for model 'bad'. Expected [-1,16], got [1,15]" in states["bad/1"]
    assert [one.names for one in closed] == [("bad_0", "bad_1")]
