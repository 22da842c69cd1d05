"""What a graph declares: filling in a config, and refusing one that cannot be right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from naiad.core.errors import LoadFailed

FP32 = "TYPE_FP32"


def tensor(name: str, dims: list[int], kind: str = FP32, **more: Any) -> dict[str, Any]:
    return {"name": name, "data_type": kind, "dims": dims, **more}


@pytest.fixture
def batched(folder: Any) -> Any:
    """x: FP32 [n, 3], i: INT64 [n, k] → y: FP32 [n, 3], j: INT64 [n, k]."""
    folder.write(
        [("Neg", "x", "y"), ("Neg", "i", "j")],
        {"x": ("FP32", ["n", 3]), "i": ("INT64", ["n", "k"])},
        {"y": ("FP32", ["n", 3]), "j": ("INT64", ["n", "k"])},
    )
    return folder


@pytest.fixture
def fixed(folder: Any) -> Any:
    """x → y: FP32 [1, 3]; the first dimension is not free."""
    folder.write([("Neg", "x", "y")], {"x": ("FP32", [1, 3])}, {"y": ("FP32", [1, 3])})
    return folder


def test_everything_from_the_graph(batched: Any) -> None:
    config = batched.config()
    assert (config.backend, config.platform, config.max_batch_size) == ("onnxruntime", "onnxruntime_onnx", 4)
    assert [(t.name, t.datatype, t.dims) for t in config.inputs] == [("x", "FP32", (3,)), ("i", "INT64", (-1,))]
    assert [(t.name, t.datatype, t.dims) for t in config.outputs] == [("y", "FP32", (3,)), ("j", "INT64", (-1,))]
    assert config.dynamic_batching is not None
    assert config.dynamic_batching.preferred_batch_sizes == (4,)
    assert [group.count for group in config.instance_groups] == [2]


def test_without_a_free_first_dimension_there_is_no_batching(fixed: Any) -> None:
    config = fixed.config()
    assert (config.max_batch_size, config.dynamic_batching) == (0, None)
    assert config.inputs[0].dims == (1, 3)


def test_the_largest_batch_is_a_backend_setting(batched: Any) -> None:
    assert batched.config({"default-max-batch-size": "16"}).max_batch_size == 16
    one = batched.config({"default-max-batch-size": "1"})
    assert (one.max_batch_size, one.dynamic_batching) == (1, None)
    off = batched.config({"default-max-batch-size": "0"})
    assert (off.max_batch_size, off.inputs[0].dims, off.dynamic_batching) == (0, (-1, 3), None)
    with pytest.raises(LoadFailed, match="default-max-batch-size must be a number of rows, not 'many'"):
        batched.config({"default-max-batch-size": "many"})


def test_what_is_given_stays(batched: Any) -> None:
    config = batched.config(max_batch_size=32, sequence_batching={})
    assert (config.max_batch_size, config.dynamic_batching) == (32, None)
    assert "sequence_batching" in config.document
    given = [tensor("i", [7], "TYPE_INT64"), tensor("x", [3])]
    config = batched.config(input=given, max_batch_size=2)
    assert [(t.name, t.dims) for t in config.inputs] == [("i", (7,)), ("x", (3,))]
    assert [t.name for t in config.outputs] == ["y", "j"]


def test_dims_that_hold_the_batch_switch_batching_off(batched: Any) -> None:
    """One side written for max_batch_size 0: the other is completed to match, not to contradict."""
    config = batched.config(input=[tensor("x", [-1, 3]), tensor("i", [-1, -1], "TYPE_INT64")])
    assert config.max_batch_size == 0
    assert [t.dims for t in config.outputs] == [(-1, 3), (-1, -1)]
    assert batched.load(input=[tensor("x", [-1, 3]), tensor("i", [-1, -1], "TYPE_INT64")])


def test_a_complete_config_is_left_alone_and_the_file_unopened(folder: Any) -> None:
    document = {"input": [tensor("x", [3])], "output": [tensor("y", [3])], "max_batch_size": 0}
    assert folder.backend.complete(document, folder.version, {}) == document


def test_batching_that_the_graph_cannot_do(fixed: Any) -> None:
    with pytest.raises(LoadFailed) as caught:
        fixed.config(max_batch_size=8)
    assert caught.value.message == (
        "autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified"
    )


def test_a_scalar_has_one_element(folder: Any) -> None:
    folder.write([("Neg", "x", "y")], {"x": ("FP32", [])}, {"y": ("FP32", [])})
    with pytest.raises(LoadFailed) as caught:
        folder.load(max_batch_size=0, input=[tensor("x", [1, 2])], output=[tensor("y", [1])])
    assert caught.value.message == (
        "unable to load model 'm', scalar tensor 'x', should only provide 1 in the model configuration when the model "
        "doesn't support batching. Model configuration provided: [1,2]."
    )


def test_an_output_that_is_no_tensor(folder: Any) -> None:
    folder.write(
        [("SequenceConstruct", "x", "s"), ("Neg", "x", "y")], {"x": ("FP32", ["n", 1])}, {"y": ("FP32", ["n", 1])}
    )
    import onnx

    path = folder.version / "model.onnx"
    model = onnx.load(path)
    model.graph.output.append(
        onnx.helper.make_tensor_sequence_value_info("s", onnx.TensorProto.FLOAT, None),
    )
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoadFailed, match=r"output 's' is seq\(tensor\(float\)\), not a tensor"):
        folder.config()
    assert folder.load(max_batch_size=4, input=[tensor("x", [1])], output=[tensor("y", [1])])


BOTH = {"input": [tensor("x", [3]), tensor("i", [-1], "TYPE_INT64")], "output": [tensor("y", [3])]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"input": [tensor("x", [3])]},
            "unable to load model 'm', configuration expects 1 inputs, model provides 2: x, i",
        ),
        (
            {"input": [*BOTH["input"], tensor("q", [1])]},
            "unable to load model 'm', unexpected inference input 'q', allowed inputs are: x, i",
        ),
        ({"output": [tensor("q", [1])]}, "unexpected inference output 'q', allowed outputs are: y, j"),
        (
            {"input": [tensor("x", [3], "TYPE_INT32"), BOTH["input"][1]]},
            "model 'm', configuration expects datatype TYPE_INT32 for input 'x', model provides TYPE_FP32",
        ),
        (
            {"output": [tensor("y", [3], "TYPE_STRING")]},
            "configuration expects datatype TYPE_STRING for output 'y', model provides TYPE_FP32",
        ),
        (
            {"input": [tensor("x", [4]), BOTH["input"][1]]},
            "configuration expects shape [-1, 4] for input 'x', model provides [-1, 3]; max_batch_size > 0 puts",
        ),
        (
            {"output": [tensor("y", [3, 1])]},
            "configuration expects shape [-1, 3, 1] for output 'y', model provides [-1, 3]",
        ),
        ({"max_batch_size": 0}, "configuration expects shape [3] for input 'x', model provides [-1, 3]"),
        (
            {"input": [tensor("x", [3], optional=True), BOTH["input"][1]]},
            "configuration expects input 'x' to be optional, model provides no default for it",
        ),
    ],
)
def test_a_config_that_cannot_be_right(batched: Any, fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(LoadFailed) as caught:
        batched.load(**{"max_batch_size": 4, **BOTH, **fields})
    assert expected in caught.value.message


def test_a_fixed_batch_in_the_graph_is_named(fixed: Any) -> None:
    with pytest.raises(LoadFailed, match=r"expects shape \[-1, 3\] for input 'x', model provides \[1, 3\]"):
        fixed.load(max_batch_size=8, input=[tensor("x", [3])], output=[tensor("y", [3])])


def test_an_output_need_not_declare_its_shape(folder: Any) -> None:
    folder.write([("Neg", "x", "y")], {"x": ("FP32", ["n", 3])}, {"y": ("FP32", None)})
    assert folder.load(max_batch_size=4, input=[tensor("x", [3])], output=[tensor("y", [3])])


def test_inputs_with_defaults_may_be_left_out_of_the_config(folder: Any) -> None:
    default = numpy_helper.from_array(np.zeros(3, np.float32), "b")
    folder.write(
        [("Add", "x b", "y")], {"x": ("FP32", ["n", 3]), "b": ("FP32", [3])}, {"y": ("FP32", ["n", 3])}, [default]
    )
    assert [t.name for t in folder.config().inputs] == ["x"]
    assert folder.load()


def test_a_model_without_inputs_cannot_batch(folder: Any) -> None:
    """Without an input there is nothing that says how many rows a request has."""
    folder.write(
        [("Identity", "c", "y")], {}, {"y": ("FP32", ["n"])}, [numpy_helper.from_array(np.ones(2, np.float32), "c")]
    )
    config = replace(folder.config(), max_batch_size=4)
    with pytest.raises(LoadFailed, match="it has no inputs"):
        folder.backend.load(folder.request(config, "m_0"))
