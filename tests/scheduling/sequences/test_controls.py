"""What a model is told of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naiad.core.errors import InvalidRequest
from naiad.core.message import SequenceStep
from naiad.core.model.sequences import SequenceControl
from naiad.scheduling.sequences.controls import Controls
from naiad.scheduling.sequences.lane import LiveSequence

BOOLEANS = (
    SequenceControl("S", "START", "INT32", (0, 1)),
    SequenceControl("E", "END", "FP32", (-1.0, 0.5)),
    SequenceControl("R", "READY", "BOOL", (False, True)),
)


def values(tensors: Any) -> dict[str, Any]:
    return {name: tensor.data.tolist() for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("is_first", "is_last", "expected"),
    [
        (True, False, {"S": [1], "E": [-1.0], "R": [True]}),
        (False, False, {"S": [0], "E": [-1.0], "R": [True]}),
        (False, True, {"S": [0], "E": [0.5], "R": [True]}),
        (True, True, {"S": [1], "E": [0.5], "R": [True]}),
    ],
)
def test_every_step_is_ready(is_first: bool, is_last: bool, expected: Any) -> None:
    controls = Controls("m", BOOLEANS, has_rows=False)
    assert values(controls.of(SequenceStep(7, is_first, is_last), LiveSequence(7))) == expected


def test_a_row_without_a_step_is_not() -> None:
    controls = Controls("m", (*BOOLEANS, SequenceControl("C", "CORRID", "UINT64")), has_rows=True)
    assert values(controls.absent) == {"S": [[0]], "E": [[-1.0]], "R": [[False]], "C": [[0]]}


@pytest.mark.parametrize("datatype", ["UINT64", "INT64", "UINT32", "INT32"])
def test_an_id_has_the_datatype_of_its_control(datatype: str) -> None:
    controls = Controls("m", (SequenceControl("C", "CORRID", datatype),), has_rows=True)
    (tensor,) = controls.of(SequenceStep(7), LiveSequence(7)).values()
    assert (tensor.name, tensor.datatype, tensor.data.tolist()) == ("C", datatype, [[7]])
    assert tensor.data.dtype == np.dtype(datatype.lower())


def test_an_id_may_be_a_string() -> None:
    controls = Controls("m", (SequenceControl("C", "CORRID", "BYTES"),), has_rows=False)
    (tensor,) = controls.of(SequenceStep("é"), LiveSequence("é")).values()
    assert (tensor.datatype, tensor.data.tolist()) == ("BYTES", ["é".encode()])
    assert controls.absent["C"].data.tolist() == [b""]


@pytest.mark.parametrize(
    ("datatype", "given", "words"),
    [
        ("UINT64", "abc", "has a string as correlation ID, 'abc', but the model's control 'C' takes a number (UINT64)"),
        ("BYTES", 5, "has a number as correlation ID, 5, but the model's control 'C' takes a string (BYTES)"),
        ("INT32", 2**31, "the correlation ID 2147483648, which does not fit the model's control 'C' (INT32)"),
        ("UINT32", 2**32, "does not fit the model's control 'C' (UINT32)"),
        ("INT64", 2**63, "does not fit the model's control 'C' (INT64)"),
    ],
)
def test_an_id_of_the_wrong_type_is_refused_and_never_cut(datatype: str, given: Any, words: str) -> None:
    controls = Controls("m", (SequenceControl("C", "CORRID", datatype),), has_rows=False)
    with pytest.raises(InvalidRequest) as refused:
        controls.check(given)
    assert words in refused.value.message


def test_without_a_control_any_id_will_do() -> None:
    controls = Controls("m", BOOLEANS, has_rows=False)
    controls.check("abc")
    controls.check(2**64 - 1)
