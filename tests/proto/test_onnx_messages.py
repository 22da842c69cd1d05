"""What we write is, byte for byte, what the onnx package writes; what it wrote, we read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from onnx import TensorProto, helper, numpy_helper

from naiad.proto import onnx_messages as ours


def descriptor(message: Any) -> FileDescriptorProto:
    file = FileDescriptorProto()
    message.DESCRIPTOR.file.CopyToProto(file)
    return file


def test_every_field_has_the_packages_number_and_form() -> None:
    theirs = {one.name: one for one in descriptor(onnx.ModelProto).message_type}
    for message in descriptor(ours.message("ModelProto")).message_type:
        fields = {one.name: one for one in theirs[message.name].field}
        for field in message.field:
            real = fields[field.name]
            assert (field.number, field.label, field.options.packed) == (real.number, real.label, real.options.packed)
            # Enumerations are plain numbers here, which look the same on the wire.
            assert field.type == real.type or (field.type, real.type) == (field.TYPE_INT32, field.TYPE_ENUM)


@pytest.mark.parametrize("shape", [None, (), (2, 3), ("batch", None, 0), ("n", 2**40)])
def test_values(shape: Any) -> None:
    made = ours.make_value("x", ours.FLOAT, shape)
    assert made.SerializeToString() == helper.make_tensor_value_info("x", 1, shape).SerializeToString()


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"axis": -1, "alpha": 0.5, "mode": "linear", "none": None},
        {"perm": [0, 2, 1], "scales": (1.0, 2), "to": np.int64(7), "flag": True},
    ],
)
def test_nodes(attributes: dict[str, Any]) -> None:
    given = ("Op", ["a", "", "b"], ["c", "d"])
    made = ours.make_node(*given, name="n", domain="com.microsoft", **attributes)
    theirs = helper.make_node(*given, name="n", domain="com.microsoft", **attributes)
    assert made.SerializeToString() == theirs.SerializeToString()


@pytest.mark.parametrize("value", [[], object(), [object()], {"a": 1}.items()])
def test_an_attribute_that_cannot_be_is_named(value: object) -> None:
    with pytest.raises(TypeError, match="axes"):
        ours.make_node("Op", [], [], axes=value)


def test_a_graph_within_a_node() -> None:
    inner = ours.make_graph("inner", [ours.make_node("Identity", ["x"], ["y"])], [], [ours.make_value("y", 1, None)])
    theirs = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "inner", [], [helper.make_tensor_value_info("y", 1, None)]
    )
    made = ours.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    assert (
        made.SerializeToString()
        == helper.make_node("If", ["c"], ["y"], then_branch=theirs, else_branch=theirs).SerializeToString()
    )


@pytest.mark.parametrize("number", sorted(ours.NUMPY_TYPES))
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
@pytest.mark.parametrize("raw", [True, False])
def test_constants_of_every_type(number: int, shape: tuple[int, ...], *, raw: bool) -> None:
    kind = ours.NUMPY_TYPES[number]
    assert np.dtype(helper.tensor_dtype_to_np_dtype(number)) == kind
    array = (np.arange(int(np.prod(shape))) - (2 if kind.kind in "ifc" else 0)).reshape(shape).astype(kind)
    theirs = (
        numpy_helper.from_array(array, "w")
        if raw
        else helper.make_tensor("w", number, shape, array.ravel().tolist(), raw=False)
    )
    if raw:
        assert ours.make_tensor("w", array).SerializeToString() == theirs.SerializeToString()
    read = ours.read_tensor(ours.message("TensorProto").FromString(theirs.SerializeToString()))
    assert (read.dtype, read.shape, read.tolist()) == (array.dtype, array.shape, array.tolist())


@pytest.mark.parametrize("number", [TensorProto.STRING, TensorProto.BFLOAT16, TensorProto.INT4, 0, 99])
def test_types_that_numpy_does_not_have_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"the constant w has data type {number}"):
        ours.read_tensor(ours.message("TensorProto", name="w", data_type=number, dims=[1], raw_data=b"\0\0"))


def test_what_we_do_not_know_of_stays_in_a_file(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"], doc_string="words")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph([node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
    graph.initializer.append(numpy_helper.from_array(np.ones(2, np.float32), "w"))
    model = helper.make_model(graph, doc_string="more", model_version=7)
    model.metadata_props.add(key="author", value="somebody")
    model.functions.append(helper.make_function("d", "f", ["a"], ["b"], [node], model.opset_import))
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    path.write_bytes(ours.read_model(path).SerializeToString())
    assert onnx.load(path) == model


@pytest.mark.parametrize("content", [b"", b"no", b"\x3a\xff", b"{}", b"\x08\x07"])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="not an ONNX file"):
        ours.read_model(tmp_path / "model.onnx")


def test_importing_does_not_import_protobuf() -> None:
    code = "import sys, naiad.proto.onnx_messages; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
