"""`max_batch_cost` and what belongs to it: read, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.model.config import BatchCost, ModelConfig
from naiad.modelconfig import finish, prepare

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [-1]}
INPUTS = [{**X, "name": "tokens"}, X]


def config(parameters: dict[str, str], **fields: Any) -> ModelConfig:
    given = {key: {"string_value": value} for key, value in parameters.items()}
    document = {"backend": "identity", "max_batch_size": 8, "input": INPUTS, "output": INPUTS, "parameters": given}
    return finish(prepare({**document, **fields}, "m"))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, None),
        ({"max_batch_cost": "4096"}, BatchCost(4096, "tokens")),
        ({"max_batch_cost": " 1 ", "max_batch_cost_input": "x"}, BatchCost(1, "x")),
        ({"max_batch_cost": "9", "max_batch_cost_kind": "sum"}, BatchCost(9, "tokens")),
        ({"max_batch_cost": "9", "max_batch_cost_kind": "padded"}, BatchCost(9, "tokens", pads=True)),
    ],
)
def test_it_is_read(parameters: dict[str, str], expected: BatchCost | None) -> None:
    assert config(parameters).batch_cost == expected


@pytest.mark.parametrize(
    ("parameters", "fields", "expected"),
    [
        ({"max_batch_cost": "many"}, {}, "'max_batch_cost' must be a whole number of elements, at least 1, not 'many'"),
        ({"max_batch_cost": "0"}, {}, "at least 1, not '0'"),
        ({"max_batch_cost": "-4"}, {}, "at least 1, not '-4'"),
        ({"max_batch_cost_input": "x"}, {}, "'max_batch_cost_input' needs 'max_batch_cost'"),
        ({"max_batch_cost": "4", "max_batch_cost_input": "z"}, {}, "names 'z', which is none of the inputs: tokens, x"),
        ({"max_batch_cost": "4", "max_batch_cost_kind": "max"}, {}, "must be one of sum, padded, not 'max'"),
        ({"max_batch_cost": "4"}, {"max_batch_size": 0}, "needs batching: set max_batch_size to 1 or more"),
        ({"max_batch_cost": "4"}, {"sequence_batching": {}}, "is for models with dynamic batching"),
    ],
)
def test_what_cannot_be_meant_is_refused(parameters: dict[str, str], fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidConfiguration, match=expected) as caught:
        config(parameters, **fields)
    assert caught.value.message.startswith("model 'm': parameter 'max_batch_cost")
