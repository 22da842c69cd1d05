"""The backend that gives a request's elements back one by one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.repeat import RepeatBackend, RepeatInstance
from naiad.core.contracts import Batch, Instances, LoadRequest, TensorFiles
from naiad.core.errors import InvalidRequest, LoadFailed, NotReady
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor

IN, DELAY, WAIT = (
    TensorConfig("IN", "INT32", (-1,)),
    TensorConfig("DELAY", "UINT32", (-1,)),
    TensorConfig("WAIT", "UINT32", (1,)),
)
OUT, IDX = TensorConfig("OUT", "INT32", (1,)), TensorConfig("IDX", "UINT32", (1,))
CONFIG = ModelConfig("m", inputs=(IN, DELAY, WAIT), outputs=(OUT, IDX), is_decoupled=True)
PATIENCE_S = 30.0


def load(config: ModelConfig = CONFIG) -> Instances[InferRequest]:
    return RepeatBackend().load(LoadRequest(TensorFiles(config, "3", Path(), Path()), ("m_0", "m_1")))


def request(values: Any, delays_ms: Any, wait_ms: int = 0, *wanted: str) -> InferRequest:
    arrays = {
        "IN": np.array(values, np.int32),
        "DELAY": np.array(delays_ms, np.uint32),
        "WAIT": np.array([wait_ms], np.uint32),
    }
    tensors = {name: Tensor.of(name, array) for name, array in arrays.items()}
    return InferRequest("m", inputs=tensors, outputs=tuple(map(RequestedOutput, wanted)))


class Heard:
    """What is sent: outputs or error, and whether it is the last."""

    def __init__(self, leaves_after: int = -1) -> None:
        self.answers: list[Any] = []
        self.first = threading.Event()
        self.ended = threading.Event()
        self._leaves_after = leaves_after

    def __call__(self, number: int, result: Any, is_final: bool) -> bool:
        if isinstance(result, InferResponse):
            result = {tensor.name: (tensor.datatype, tensor.data.tolist()) for tensor in result.outputs}
        self.answers.append((number, result, is_final))
        self.first.set()
        if is_final:
            self.ended.set()
        return len(self.answers) != self._leaves_after


def execute(one: InferRequest, instance: Any = None, heard: Heard | None = None) -> list[Any]:
    heard = heard or Heard()
    (instance or RepeatInstance("3")).execute(Batch([one]), heard)
    return heard.answers


def answer(value: int, index: int) -> dict[str, Any]:
    return {"OUT": ("INT32", [value]), "IDX": ("UINT32", [index])}


def test_each_element_is_an_answer_and_the_end_comes_apart() -> None:
    assert execute(request([7, -8], [0, 0])) == [(0, answer(7, 0), False), (0, answer(-8, 1), False), (0, None, True)]
    assert execute(request([], [])) == [(0, None, True)]
    assert execute(request([7], [0], 0, "IDX")) == [(0, {"IDX": ("UINT32", [0])}, False), (0, None, True)]


def test_delays_add_up_and_the_instance_is_held_for_the_wait() -> None:
    batch: Batch[InferRequest] = Batch([request([1, 2], [10, 15], 40)])
    RepeatInstance("3").execute(batch, Heard())
    assert batch.output_ready_s - batch.input_ready_s >= 0.04
    batch = Batch([request([1, 2], [10, 15])])
    RepeatInstance("3").execute(batch, Heard())
    assert batch.output_ready_s - batch.input_ready_s >= 0.025


def test_the_next_request_begins_after_the_wait_though_answers_are_still_owed() -> None:
    instance, slow = RepeatInstance("3"), Heard()

    def run() -> None:
        with pytest.raises(NotReady, match="the model is being unloaded"):
            execute(request([1, 2], [0, 3_600_000]), instance, slow)

    thread = threading.Thread(target=run)
    thread.start()
    assert slow.first.wait(PATIENCE_S)
    assert execute(request([5], [0]), instance)[-1] == (0, None, True)
    instance.interrupt()
    thread.join(PATIENCE_S)
    assert slow.answers == [(0, answer(1, 0), False)]


def test_who_has_left_gets_no_more_and_holds_nobody_up() -> None:
    assert execute(request([1, 2], [0, 3_600_000], 3_600_000), heard=Heard(leaves_after=1))[1:] == [(0, None, True)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request([1, 2], [0]), r"expected IN and DELAY shape to match, got \[2\] and \[1\]"),
        (request([1] * 10_001, [0] * 10_001), "IN has 10001 elements; up to 10000 are allowed"),
        (request([1, 2], [3_600_000, 1]), "DELAY and WAIT make 3600 s; up to 3600 s are allowed"),
        (request([1], [0], 2**32 - 1), "DELAY and WAIT make"),
        (InferRequest("m"), "model 'm': input 'IN' is missing"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_one_error(bad: InferRequest, words: str) -> None:
    ((number, error, is_final),) = execute(bad)
    assert (number, is_final) == (0, True)
    with pytest.raises(InvalidRequest, match=words):
        raise error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_batch_size": 1}, "repeat backend only supports models with max_batch_size == 0"),
        ({"inputs": (IN, DELAY)}, "expected 3 inputs, got 2"),
        ({"outputs": (OUT,)}, "expected 2 outputs, got 1"),
        ({"inputs": (IN, WAIT, DELAY)}, "expected second input tensor name to be DELAY, got WAIT"),
        ({"outputs": (IDX, OUT)}, "expected first output tensor name to be OUT, got IDX"),
        ({"inputs": (replace(IN, dims=(1, 2)), DELAY, WAIT)}, r"expected IN shape to have one dimension, got \[1,2\]"),
        (
            {"inputs": (replace(IN, dims=(4,)), DELAY, WAIT)},
            r"expected IN and DELAY shape to match, got \[4\] and \[-1\]",
        ),
        ({"inputs": (IN, DELAY, replace(WAIT, dims=(2,)))}, r"expected WAIT shape to be \[1\], got \[2\]"),
        (
            {"inputs": (IN, replace(DELAY, datatype="INT32"), WAIT)},
            "expected DELAY datatype to be UINT32, got TYPE_INT32",
        ),
        ({"outputs": (OUT, replace(IDX, datatype="FP32"))}, "expected IDX datatype to be UINT32, got TYPE_FP32"),
    ],
)
def test_tensors_that_are_declared_otherwise_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(LoadFailed, match=f"model 'm': {words}"):
        load(replace(CONFIG, **change))


def test_there_are_as_many_as_were_asked_for_and_no_graph() -> None:
    assert len(load().narrow) == 2
    with pytest.raises(LoadFailed, match="repeat has no graph"):
        RepeatBackend().inspect(LoadRequest(TensorFiles(CONFIG, "1", Path(), Path()), ("m_0",)))
