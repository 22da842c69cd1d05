"""The backend that a newcomer reads first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.identity import IdentityBackend
from naiad.backends.identity_delays import read_delays
from naiad.core.contracts import Batch, Instances, LoadRequest, TensorFiles
from naiad.core.errors import InvalidRequest, LoadFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.scheduling.contract import Job
from naiad.scheduling.kinds import open_scheduler

A, B = TensorConfig("a", "FP32", (2,)), TensorConfig("b", "INT64", (1,))
Y, Z = TensorConfig("y", "FP32", (2,)), TensorConfig("z", "INT64", (1,))


def load(inputs: tuple[TensorConfig, ...] = (A, B), outputs: tuple[TensorConfig, ...] = (Y, Z)) -> Any:
    config = ModelConfig("m", backend="identity", max_batch_size=8, inputs=inputs, outputs=outputs)
    return load_config(config).narrow[0]


def load_config(config: ModelConfig, *names: str) -> Instances[InferRequest]:
    return IdentityBackend().load(LoadRequest(TensorFiles(config, "3", Path(), Path()), names or ("m_0",)))


def request(*wanted: str, **arrays: Any) -> InferRequest:
    tensors = {name: Tensor.of(name, np.array(value)) for name, value in arrays.items()}
    return InferRequest("m", id="7", inputs=tensors, outputs=tuple(map(RequestedOutput, wanted)))


def test_outputs_are_the_inputs_in_order() -> None:
    given = request(b=[[5]], a=np.ones((1, 2), np.float32))
    (response,) = load().execute(Batch([given]))
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "7")
    assert [(tensor.name, tensor.datatype) for tensor in response.outputs] == [("y", "FP32"), ("z", "INT64")]
    assert response.outputs[0].data is given.inputs["a"].data


def test_only_the_outputs_asked_for() -> None:
    (response,) = load().execute(Batch([request("z", a=np.ones((1, 2), np.float32), b=[[5]])]))
    assert [tensor.name for tensor in response.outputs] == ["z"]


def test_an_input_that_was_left_out_has_no_output() -> None:
    good, bad = load().execute(Batch([request(b=[[5]]), request("y", b=[[5]])]))
    assert isinstance(good, InferResponse)
    assert [tensor.name for tensor in good.outputs] == ["z"]
    assert isinstance(bad, InvalidRequest)
    assert bad.message == "model 'm': no input for output 'y'"


@pytest.mark.parametrize(("inputs", "outputs"), [((), ()), ((A,), (Z,)), ((A, B), (Y,)), ((A,), (Y, Z))])
def test_sides_that_cannot_be_equal_are_refused(
    inputs: tuple[TensorConfig, ...], outputs: tuple[TensorConfig, ...]
) -> None:
    with pytest.raises(LoadFailed, match="identity needs outputs with the datatypes of its inputs"):
        load(inputs, outputs)


def test_who_wants_two_gets_two_and_none_is_wide() -> None:
    instances = load_config(ModelConfig("m", inputs=(A,), outputs=(Y,)), "m_0", "m_1")
    assert (len(instances.narrow), instances.wide, instances.names) == (2, None, ("m_0", "m_1"))
    assert (instances.may_inline, instances.device) == (True, "cpu")


Sent = tuple[int, Any, bool]


def stream(*requests: InferRequest, max_batch_size: int = 8) -> list[Sent]:
    """What a decoupled model sends: the item, the values of its outputs or the error, whether that is the last."""
    config = ModelConfig("m", max_batch_size=max_batch_size, inputs=(A, B), outputs=(Y, Z), is_decoupled=True)
    instances: Any = load_config(config)
    sent: list[Sent] = []

    def send(item: int, result: Any, is_final: bool) -> None:
        shown = result if isinstance(result, NaiadError) else [tensor.data.tolist() for tensor in result.outputs]
        sent.append((item, shown, is_final))

    batch = Batch(requests)
    instances.narrow[0].execute(batch, send)
    assert 0 < batch.input_ready_s <= batch.output_ready_s
    assert instances.narrow[0].capacity >= 1
    instances.close()
    return sent


def test_a_decoupled_model_answers_row_by_row() -> None:
    rows, none = request("z", b=[[5], [6]]), request("z", b=np.empty((0, 1), np.int64))
    assert stream(rows, none) == [(0, [[[5]]], False), (0, [[[6]]], True), (1, [], True)]


def test_a_decoupled_model_without_rows_answers_once() -> None:
    assert stream(request("z", b=[5]), max_batch_size=0) == [(0, [[5]], True)]


def test_a_decoupled_error_is_the_last_answer_of_its_request() -> None:
    bad, good = stream(request("y", b=[[5]]), request("z", b=[[6]]))
    assert isinstance(bad[1], InvalidRequest)
    assert (bad[0], bad[2], good) == (0, True, (1, [[[6]]], True))


def delayed(is_decoupled: bool = False, instances: int = 3, **parameters: str) -> Instances[InferRequest]:
    config = ModelConfig("m", inputs=(A,), outputs=(Y,), parameters=parameters, is_decoupled=is_decoupled)
    return load_config(config, *(f"m_{number}" for number in range(instances)))


@pytest.mark.parametrize(
    ("parameters", "delays_ms"),
    [
        ({}, [0, 0, 0]),
        ({"execute_delay_ms": "20"}, [20, 20, 20]),
        ({"execute_delay_ms": "20", "instance_wise_delay_multiplier": "4"}, [20, 80, 160]),
        ({"instance_wise_delay_multiplier": "4"}, [0, 0, 0]),
    ],
)
def test_executions_take_longer_by_instance(parameters: dict[str, str], delays_ms: list[int]) -> None:
    assert [round(seconds * 1000) for seconds in read_delays("m", parameters, 3).execution_s] == delays_ms


@pytest.mark.parametrize("is_decoupled", [False, True])
def test_a_delayed_execution_takes_so_long_and_leaves_the_loop_alone(is_decoupled: bool) -> None:
    instances: Any = delayed(is_decoupled, execute_delay_ms="20")
    assert not instances.may_inline
    batch = Batch([request(a=np.ones(2, np.float32))])
    arguments = [batch, lambda *_: True] if is_decoupled else [batch]
    instances.narrow[0].execute(*arguments)
    assert batch.output_ready_s - batch.input_ready_s >= 0.02


@pytest.mark.parametrize("is_decoupled", [False, True])
async def test_a_delay_does_not_hold_up_the_end(is_decoupled: bool) -> None:
    """An hour would have to pass before the server could stop."""
    instances = delayed(is_decoupled, 1, execute_delay_ms="3600000")
    config = ModelConfig("m", is_decoupled=is_decoupled)
    ended = asyncio.Event()
    scheduler = open_scheduler(config, instances)
    for _ in range(2):
        scheduler.submit(Job(request(a=np.ones(2, np.float32)), 1, lambda *_: ended.set()))
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.to_thread(scheduler.close), 10)
    await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("execute_delay_ms", "soon"),
        ("execute_delay_ms", "-1"),
        ("execute_delay_ms", "9" * 19),
        ("instance_wise_delay_multiplier", "1.5"),
        ("creation_delay_sec", "3601"),
        ("creation_delay_sec", "٣"),
    ],
)
def test_a_delay_that_cannot_be_meant_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(LoadFailed, match=f"model 'm': parameter '{key}'"):
        delayed(**{"execute_delay_ms": "1", key: value})


def test_a_version_is_made_so_much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("naiad.backends.identity.time.sleep", slept.append)
    delayed(creation_delay_sec="10")
    assert slept == [10.0]


def test_there_is_no_graph_to_inspect() -> None:
    with pytest.raises(LoadFailed, match="identity has no graph"):
        IdentityBackend().inspect(LoadRequest(TensorFiles(ModelConfig("m"), "1", Path(), Path()), ("m_0",)))


def test_there_is_nothing_to_complete() -> None:
    assert IdentityBackend().complete({"name": "m"}, Path(), {}) == {"name": "m"}
