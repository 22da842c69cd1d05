"""The backend that a newcomer reads first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from naiad.backends.identity import IdentityBackend
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.model_config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor

A, B = TensorConfig("a", "FP32", (2,)), TensorConfig("b", "INT64", (1,))
Y, Z = TensorConfig("y", "FP32", (2,)), TensorConfig("z", "INT64", (1,))


def load(inputs: tuple[TensorConfig, ...] = (A, B), outputs: tuple[TensorConfig, ...] = (Y, Z)) -> Any:
    config = ModelConfig("m", backend="identity", max_batch_size=8, inputs=inputs, outputs=outputs)
    return IdentityBackend().load(LoadRequest(config, "3", Path(), Path(), "m_0"))


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


def test_there_is_nothing_to_complete() -> None:
    assert IdentityBackend().complete({"name": "m"}, Path(), {}) == {"name": "m"}
