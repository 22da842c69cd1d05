"""Ragged batches: what a graph is told of its requests, how its flat outputs are cut, and what does not fit."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from naiad.backends.onnxruntime.ragged import BATCH_INPUTS, Shape, make_batch_input, scatter
from naiad.backends.onnxruntime.tensors import OnnxRuntimeInstance
from naiad.core.contracts import Batch
from naiad.core.errors import LoadFailed, ModelFailed, NaiadError
from naiad.core.message import InferRequest
from naiad.core.model.config import BatchInput
from naiad.core.tensor import Array

FOUR = [(1, 2), (1, 4), (1, 1), (1, 3)]


def made(kind: str, shapes: list[Shape], datatype: str = "INT32") -> Array:
    return make_batch_input(BatchInput(kind, ("t",), datatype, "x"), shapes)


@pytest.mark.parametrize(
    ("kind", "shapes", "expected"),
    [
        ("BATCH_ELEMENT_COUNT", FOUR, [2, 4, 1, 3]),
        ("BATCH_ELEMENT_COUNT", [(2, 3), (1, 1)], [6, 1]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT", FOUR, [2, 6, 7, 10]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", FOUR, [0, 2, 6, 7, 10]),
        ("BATCH_ITEM_SHAPE", [(2, 1, 2), (1, 1, 2), (1, 2, 2)], [[1, 2], [1, 2], [1, 2], [2, 2]]),
        ("BATCH_ITEM_SHAPE", [(2, 3, 1), (1, 2, 2)], [[3, 1], [3, 1], [2, 2]]),
        ("BATCH_ITEM_SHAPE_FLATTEN", [(1, 4, 1), (1, 1, 2), (1, 1, 2), (1, 2, 2)], [4, 1, 1, 2, 1, 2, 2, 2]),
        ("BATCH_ITEM_SHAPE_FLATTEN", [(2, 3, 1), (1, 2, 2)], [3, 1, 3, 1, 2, 2]),
    ],
)
@pytest.mark.parametrize(("datatype", "dtype"), [("INT32", np.int32), ("FP32", np.float32)])
def test_each_kind_tells_what_tritons_does(
    kind: str, shapes: list[Shape], expected: list[Any], datatype: str, dtype: type
) -> None:
    """Values of Triton's own test of batch inputs, and of the comments in its model_config.proto."""
    found = made(kind, shapes, datatype)
    assert (found.tolist(), found.dtype) == (expected, dtype)


@pytest.mark.parametrize(("shapes", "expected"), [(FOUR, (4,)), ([(2, 3), (1, 5)], (6,)), ([(1, 0)], (0,))])
def test_the_largest_count_is_told_by_the_shape(shapes: list[Shape], expected: tuple[int]) -> None:
    assert made("BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", shapes).shape == expected


def test_a_count_that_int32_cannot_hold_is_no_wrong_count() -> None:
    with pytest.raises(ModelFailed, match="batch input 't' would be 2147483648, which INT32 cannot hold"):
        made("BATCH_ACCUMULATED_ELEMENT_COUNT", [(1, 2**30), (1, 2**30)])


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=5))
def test_the_kinds_agree_with_each_other_and_with_what_is_cut(shapes: list[Shape]) -> None:
    """The borders that a graph is told of are those by which its output is cut, and each request gets its own back."""
    found = {kind: made(kind, shapes) for kind in BATCH_INPUTS}
    borders = found["BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO"]
    assert borders[1:].tolist() == found["BATCH_ACCUMULATED_ELEMENT_COUNT"].tolist()
    assert np.diff(borders).tolist() == found["BATCH_ELEMENT_COUNT"].tolist()
    assert max(found["BATCH_ELEMENT_COUNT"]) == len(found["BATCH_MAX_ELEMENT_COUNT_AS_SHAPE"])
    assert found["BATCH_ITEM_SHAPE"].reshape(-1).tolist() == found["BATCH_ITEM_SHAPE_FLATTEN"].tolist()
    assert len(found["BATCH_ITEM_SHAPE"]) == sum(shape[0] for shape in shapes)
    given = [np.arange(prod(shape)).reshape(shape) + 100 * number for number, shape in enumerate(shapes)]
    flat = np.concatenate([data.reshape(-1) for data in given])
    for number, (data, back) in enumerate(zip(given, scatter("y", flat, (-1, -1), shapes), strict=True)):
        np.testing.assert_array_equal(back, data)
        np.testing.assert_array_equal(back.reshape(-1), flat[borders[number] : borders[number + 1]])


def test_fixed_dimensions_of_an_output_stay() -> None:
    first, second = scatter("y", np.arange(14), (-1, 2), [(1, 3), (2, 2)])
    assert (first.tolist(), second.shape) == ([[[0, 1], [2, 3], [4, 5]]], (2, 2, 2))


@pytest.mark.parametrize("size", [0, 5, 7])
def test_an_output_of_another_size_is_not_cut(size: int) -> None:
    with pytest.raises(ModelFailed, match=f"output 'y' has {size} elements, but the shapes of the requests ask for 6"):
        scatter("y", np.zeros(size), (-1,), [(1, 2), (1, 4)])


# Through ONNX Runtime.

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [-1], "allow_ragged_batch": True}
COUNT = {"kind": "BATCH_ELEMENT_COUNT", "target_name": ["count"], "data_type": "TYPE_FP32", "source_input": ["x"]}
ROW = {"name": "y", "data_type": "TYPE_FP32", "dims": [1], "reshape": {"shape": []}}


def told(folder: Any, kind: str, dims: list[int]) -> OnnxRuntimeInstance:
    """A model that gives each request, as its row: all elements of the batch, the counts, and the kind's input."""
    column, row = (
        numpy_helper.from_array(np.array([-1, 1]), "column"),
        numpy_helper.from_array(np.array([1, -1]), "row"),
    )
    folder.write(
        [
            ("Div", "count count", "ones"),
            ("Reshape", "ones column", "rows"),
            *((kind, f"{name} row", f"{name}_row") for kind, name in (("Reshape", "x"), ("Reshape", "told"))),
            ("MatMul", "rows x_row", "all"),
            ("MatMul", "rows told_row", "seen"),
        ],
        {
            "x": ("FP32", ["k"]),
            "count": ("FP32", ["n"]),
            "told": ("FP32", ["m", "d"] if kind == "BATCH_ITEM_SHAPE" else ["m"]),
        },
        {"all": ("FP32", ["n", "k"]), "seen": ("FP32", ["n", "m"])},
        [column, row],
    )
    outputs = [{"name": name, "data_type": "TYPE_FP32", "dims": [-1]} for name in ("all", "seen")]
    batch_input = [COUNT, {**COUNT, "kind": kind, "target_name": ["told"]}]
    instance: OnnxRuntimeInstance = folder.load(
        max_batch_size=4, input=[{**X, "dims": dims}], output=outputs, batch_input=batch_input
    )
    return instance


def answers(instance: OnnxRuntimeInstance, *requests: InferRequest) -> list[dict[str, Array]]:
    results = instance.execute(Batch(requests))
    for result in results:
        assert not isinstance(result, NaiadError), result
    return [{tensor.name: tensor.data for tensor in result.outputs} for result in results]


@pytest.mark.parametrize(
    ("kind", "shapes", "expected"),
    [
        ("BATCH_ELEMENT_COUNT", FOUR, [2, 4, 1, 3]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT", FOUR, [2, 6, 7, 10]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", FOUR, [0, 2, 6, 7, 10]),
        ("BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", FOUR, [0, 0, 0, 0]),
        ("BATCH_ITEM_SHAPE_FLATTEN", [(1, 4, 1), (1, 1, 2), (1, 2, 2)], [4, 1, 1, 2, 2, 2]),
        ("BATCH_ITEM_SHAPE", [(1, 4, 1), (1, 1, 2), (1, 2, 2)], [4, 1, 1, 2, 2, 2]),
    ],
)
def test_a_graph_is_told_of_its_batch(
    folder: Any, request_of: Any, kind: str, shapes: list[Shape], expected: list[float]
) -> None:
    instance = told(folder, kind, [-1] * (len(shapes[0]) - 1))
    given = [request_of(x=np.full(shape, number, np.float32)) for number, shape in enumerate(shapes)]
    everything = [number for number, shape in enumerate(shapes) for _ in range(prod(shape))]
    for found in answers(instance, *given):
        assert found["all"].tolist() == [everything]
        assert found["seen"].tolist() == [expected]


def test_a_lone_request_is_a_batch_too(folder: Any, request_of: Any) -> None:
    instance = told(folder, "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", [-1])
    (found,) = answers(instance, request_of(x=np.ones((1, 3), np.float32)))
    assert (found["all"].tolist(), found["seen"].tolist()) == ([[1, 1, 1]], [[0, 3]])


def test_several_targets_get_the_same(folder: Any, request_of: Any) -> None:
    folder.write(
        [("Add", "first second", "sum"), ("Reshape", "x flat", "there"), ("Identity", "sum", "y")],
        {"x": ("FP32", ["k"]), "first": ("INT32", ["n"]), "second": ("INT32", ["n"])},
        {"y": ("INT32", ["n"]), "there": ("FP32", ["k"])},
        [numpy_helper.from_array(np.array([-1]), "flat")],
    )
    instance = folder.load(
        max_batch_size=4,
        input=[X],
        output=[{"name": "y", "data_type": "TYPE_INT32", "dims": [1], "reshape": {"shape": []}}],
        batch_input=[{**COUNT, "target_name": ["first", "second"], "data_type": "TYPE_INT32"}],
    )
    found = answers(instance, *(request_of(x=np.ones((1, size), np.float32)) for size in (2, 3)))
    assert [one["y"].tolist() for one in found] == [[[4]], [[6]]]


def test_each_request_gets_its_part_of_a_flat_output(folder: Any, request_of: Any) -> None:
    """And its row of another output."""
    folder.write(
        [("Neg", "x", "y"), ("Identity", "count", "rows")],
        {"x": ("FP32", ["k"]), "count": ("FP32", ["n"])},
        {"y": ("FP32", ["k"]), "rows": ("FP32", ["n"])},
    )
    instance = folder.load(
        max_batch_size=4,
        input=[{**X, "dims": [-1, 2]}],
        output=[
            {"name": "y", "data_type": "TYPE_FP32", "dims": [-1, 2]},
            {"name": "rows", "data_type": "TYPE_FP32", "dims": [1], "reshape": {"shape": []}},
        ],
        batch_input=[COUNT],
        batch_output=[{"target_name": ["y"], "source_input": ["x"]}],
    )
    given = [np.arange(2 * size, dtype=np.float32).reshape(1, size, 2) + 10 * size for size in (3, 1, 2)]
    together = answers(instance, *(request_of(x=data) for data in given))
    alone = [answers(instance, request_of(x=data))[0] for data in given]
    for data, found in zip([*given, *given], [*together, *alone], strict=True):
        np.testing.assert_array_equal(found["y"], -data)
        assert found["rows"].tolist() == [[data.size]]
    wanted = answers(instance, request_of("rows", x=given[0]), request_of("y", "rows", x=given[1]))
    assert [list(found) for found in wanted] == [["rows"], ["y", "rows"]]
    np.testing.assert_array_equal(wanted[1]["y"], -given[1])


def test_a_flat_output_of_another_size_is_an_error_of_its_model(folder: Any, request_of: Any) -> None:
    folder.write([("Concat", "x x", "y")], {"x": ("FP32", ["k"])}, {"y": ("FP32", ["j"])}, axis=0)
    instance = folder.load(
        max_batch_size=4,
        input=[X],
        output=[{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
        batch_output=[{"target_name": ["y"], "source_input": ["x"]}],
    )
    for result in instance.execute(Batch([request_of(x=np.ones((1, size), np.float32)) for size in (2, 3)])):
        assert isinstance(result, ModelFailed)
        assert "but the shapes of the requests ask for" in result.message


def test_strings_may_be_ragged_and_cut(folder: Any, request_of: Any) -> None:
    folder.write([("Identity", "x", "y")], {"x": ("BYTES", ["k"])}, {"y": ("BYTES", ["k"])})
    side = {"data_type": "TYPE_STRING", "dims": [-1]}
    instance = folder.load(
        max_batch_size=4,
        input=[{**X, **side}],
        output=[{"name": "y", **side}],
        batch_output=[{"target_name": ["y"], "source_input": ["x"]}],
    )
    found = answers(instance, request_of(x=[b"a", b"b"]), request_of(x=[b"c"]))
    assert [one["y"].tolist() for one in found] == [[[b"a", b"b"]], [[b"c"]]]


def test_what_the_backend_makes_is_not_asked_of_requests(folder: Any) -> None:
    """A configuration without `input` takes those of the graph that nobody makes."""
    folder.write([("Mul", "x count", "y")], {"x": ("FP32", ["n"]), "count": ("FP32", ["n"])}, {"y": ("FP32", ["n"])})
    config = folder.config(max_batch_size=4, batch_input=[COUNT], input=[], output=[])
    assert [tensor.name for tensor in config.inputs] == ["x"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"target_name": ["nobody"]}, "unexpected inference input 'nobody', allowed inputs are: x, count"),
        ({"data_type": "TYPE_INT32"}, "expects datatype TYPE_INT32 for input 'count', model provides TYPE_FP32"),
        ({"kind": "BATCH_ITEM_SHAPE"}, r"expects shape \[-1, 1\] for input 'count', model provides \[-1\]"),
    ],
)
def test_a_graph_that_does_not_take_it_is_refused(folder: Any, fields: dict[str, Any], expected: str) -> None:
    folder.write([("Mul", "x count", "y")], {"x": ("FP32", ["n"]), "count": ("FP32", ["n"])}, {"y": ("FP32", ["n"])})
    with pytest.raises(LoadFailed, match=expected):
        folder.load(
            max_batch_size=4,
            input=[X],
            output=[ROW],
            batch_input=[{**COUNT, **fields}],
        )


def test_an_input_that_nobody_makes_is_missed(folder: Any) -> None:
    folder.write([("Mul", "x count", "y")], {"x": ("FP32", ["n"]), "count": ("FP32", ["n"])}, {"y": ("FP32", ["n"])})
    with pytest.raises(LoadFailed, match="configuration expects 1 inputs, model provides 2: x, count"):
        folder.load(max_batch_size=4, input=[X], output=[ROW])
