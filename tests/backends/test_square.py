"""The backend that answers n times with n."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.square import SquareBackend
from naiad.core.contracts import Batch, LoadRequest, TensorFiles
from naiad.core.errors import InvalidRequest, LoadFailed, NaiadError, NotReady
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor

IN, OUT = TensorConfig("IN", "INT32", (1,)), TensorConfig("OUT", "INT32", (1,))


def load(inputs: Any = (IN,), outputs: Any = (OUT,), **parameters: str) -> Any:
    config = ModelConfig(
        "m", max_batch_size=8, inputs=inputs, outputs=outputs, parameters=parameters, is_decoupled=True
    )
    (instance,) = SquareBackend().load(LoadRequest(TensorFiles(config, "3", Path(), Path()), ("m_0",))).narrow
    return instance


def execute(instance: Any, *values: Any, leaves_after: int = 1000) -> list[Any]:
    """What is sent: number, value or error's words, whether it is the last."""
    sent: list[Any] = []

    def send(number: int, result: Any, is_final: bool) -> bool:
        if isinstance(result, NaiadError):
            result = result.message
        elif result is not None:
            result = result.outputs[0].data.tolist()
        sent.append((number, result, is_final))
        return len(sent) < leaves_after

    arrays = [np.array(value, np.int32) for value in values]
    instance.execute(Batch([InferRequest("m", inputs={"IN": Tensor.of("IN", array)}) for array in arrays]), send)
    return sent


def test_n_answers_of_n_and_the_end_apart() -> None:
    assert execute(load(), [[2]]) == [(0, [[2]], False), (0, [[2]], False), (0, None, True)]
    assert execute(load(), [1]) == [(0, [1], False), (0, None, True)]
    assert execute(load(), [[0]]) == [(0, None, True)]


def test_requests_of_one_batch_are_answered_side_by_side() -> None:
    sent = execute(load(), [[1]], [[2]])
    assert sent == [(0, [[1]], False), (1, [[2]], False), (0, None, True), (1, [[2]], False), (1, None, True)]


def test_the_first_succeed_then_some_fail_and_the_last_are_not_sent() -> None:
    instance = load(CUSTOM_FAIL_COUNT="1", CUSTOM_EMPTY_COUNT="2")
    assert execute(instance, [4]) == [(0, [4], False), (0, "simulated failure", False), (0, None, True)]
    assert execute(instance, [2]) == [(0, None, True)]


def test_delays_are_before_each_answer() -> None:
    instance = load(CUSTOM_INFER_DELAY_NS="5000000", CUSTOM_OUTPUT_DELAY_NS="10000000", CUSTOM_EMPTY_COUNT="1")
    batch = Batch([InferRequest("m", inputs={"IN": Tensor.of("IN", np.array([2], np.int32))})])
    instance.execute(batch, lambda *_: True)
    assert batch.output_ready_s - batch.input_ready_s >= 0.02


def test_who_has_left_gets_no_more() -> None:
    assert execute(load(), [[9]], leaves_after=1) == [(0, [[9]], False), (0, None, True)]


def test_a_delay_does_not_hold_up_the_end() -> None:
    instance = load(CUSTOM_INFER_DELAY_NS="3600000000000")
    instance.interrupt()
    with pytest.raises(NotReady):
        execute(instance, [1])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1], [2]], "unexpected shape for IN input"),
        ([[-1]], "IN must be from 0 to 10000, it is -1"),
        ([10_001], "IN must be from 0 to 10000, it is 10001"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_one_error(value: Any, words: str) -> None:
    assert execute(load(), value, [1]) == [(0, words, True), (1, [1], False), (1, None, True)]


def test_a_request_without_its_input_gets_one_error() -> None:
    heard: list[Any] = []
    load().execute(Batch([InferRequest("m")]), lambda *told: heard.append(told))
    ((_, error, is_final),) = heard
    assert isinstance(error, InvalidRequest)
    assert (error.message, is_final) == ("model 'm': input 'IN' is missing", True)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        (((IN, OUT), (OUT,)), "expected 1 input, got 2"),
        (((IN,), ()), "expected 1 output, got 0"),
        (((OUT,), (OUT,)), "expected first input tensor name to be IN, got OUT"),
    ],
)
def test_tensors_that_are_declared_otherwise_are_refused(sides: Any, words: str) -> None:
    with pytest.raises(LoadFailed, match=f"model 'm': {words}"):
        load(*sides)


@pytest.mark.parametrize(
    ("key", "value"),
    [("CUSTOM_INFER_DELAY_NS", "soon"), ("CUSTOM_OUTPUT_DELAY_NS", "3600000000001"), ("CUSTOM_FAIL_COUNT", "-1")],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(LoadFailed, match=f"model 'm': parameter '{key}'"):
        load(**{key: value})


def test_there_is_no_graph_to_inspect() -> None:
    with pytest.raises(LoadFailed, match="square has no graph"):
        SquareBackend().inspect(LoadRequest(TensorFiles(ModelConfig("m"), "1", Path(), Path()), ("m_0",)))
