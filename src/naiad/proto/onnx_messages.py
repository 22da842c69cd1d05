"""The messages of an ONNX file: reading one, and making graphs, nodes, values and constants.

Takes the place of the onnx package, which is 31 MB, brings 24 more, and takes longer to import than a graph to write.
Names and numbers are those of onnx-ml.proto. protobuf is imported on first use.
"""

from __future__ import annotations

import base64
import numbers
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naiad.proto import onnx_descriptor
from naiad.proto.private_pool import PrivatePool

FLOAT, INT32, INT64, STRING, BOOL = 1, 6, 7, 8, 9
"""TensorProto.DataType, of those that our own graphs name."""

NUMPY_TYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(name)
    for number, name in {
        FLOAT: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", INT32: "i4", INT64: "i8", BOOL: "?",
        10: "f2", 11: "f8", 12: "u4", 13: "u8", 14: "c8", 15: "c16",
    }.items()
}  # fmt: skip
"""TensorProto.DataType → numpy's type, for those that numpy has."""

EXTERNAL = 1
"""TensorProto.DataLocation: the numbers lie in a file beside the graph."""

_DATA_TYPES = {kind: number for number, kind in NUMPY_TYPES.items()}
_FLOAT_KIND, _INT_KIND, _STRING_KIND, _GRAPH_KIND, _FLOATS_KIND, _INTS_KIND = 1, 2, 3, 5, 6, 7
"""AttributeProto.AttributeType."""


def message(name: str, /, **fields: Any) -> Any:
    """Make a message of that name, such as ModelProto."""
    return _POOL.classes[f"onnx.{name}"](**fields)


def read_model(path: Path) -> Any:
    """The ModelProto of a file; what lies in files beside it is not read.

    Raises OSError, and ValueError where it is not an ONNX file.
    """
    return parse_model(path.read_bytes())


def parse_model(data: bytes) -> Any:
    """The ModelProto of a file's content. Raises ValueError where it is not that of an ONNX file."""
    from google.protobuf.message import DecodeError

    try:
        model = _POOL.classes["onnx.ModelProto"].FromString(data)
    except DecodeError as error:
        raise ValueError(f"not an ONNX file: {error}") from error
    if not model.HasField("graph"):
        raise ValueError("not an ONNX file: it has no graph")
    return model


def make_model(graph: Any, *, ir_version: int, opset: int, producer: str) -> Any:
    """A ModelProto around a GraphProto, of one version of the standard operators."""
    model = message("ModelProto", ir_version=ir_version, producer_name=producer, graph=graph)
    model.opset_import.append(make_opset("", opset))
    return model


def make_opset(domain: str, version: int) -> Any:
    """An OperatorSetIdProto."""
    return message("OperatorSetIdProto", domain=domain, version=version)


def make_graph(
    name: str, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], initializers: Sequence[Any] = ()
) -> Any:
    """A GraphProto."""
    return message("GraphProto", name=name, node=nodes, input=inputs, output=outputs, initializer=initializers)


def make_value(name: str, kind: int, shape: Sequence[int | str | None] | None) -> Any:
    """A ValueInfoProto. shape: a number for a fixed axis, a name or None for one that varies; None: nothing is said."""
    value = message("ValueInfoProto", name=name)
    tensor = value.type.tensor_type
    tensor.elem_type = kind
    if shape is not None:
        tensor.shape.SetInParent()  # a scalar has a shape, without axes
    for axis in shape or ():
        if isinstance(axis, str):
            tensor.shape.dim.add(dim_param=axis)
        elif axis is None:
            tensor.shape.dim.add()
        else:
            tensor.shape.dim.add(dim_value=axis)
    return value


def make_node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], *, name: str = "", domain: str = "", **attributes: Any
) -> Any:
    """A NodeProto; attributes that are None are left out. Raises TypeError for a value that no attribute can have."""
    node = message("NodeProto", op_type=kind, input=inputs, output=outputs)
    if name:
        node.name = name
    if domain:
        node.domain = domain
    for key, value in sorted(attributes.items()):
        if value is not None:
            node.attribute.append(_attribute(key, value))
    return node


def make_tensor(name: str, array: np.ndarray[Any, np.dtype[Any]]) -> Any:
    """A TensorProto that holds a copy of the numbers. Raises KeyError for a type that ONNX does not have."""
    raw = np.ascontiguousarray(array).tobytes()
    return message("TensorProto", name=name, dims=array.shape, data_type=data_type(array.dtype), raw_data=raw)


def data_type(kind: np.dtype[Any]) -> int:
    """ONNX's number of a numpy type. Raises KeyError."""
    return _DATA_TYPES[kind]


def read_tensor(tensor: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """The numbers of a TensorProto of a type in NUMPY_TYPES, inside the message. Raises ValueError."""
    kind = NUMPY_TYPES.get(tensor.data_type)
    if kind is None or tensor.data_location == EXTERNAL:
        raise ValueError(f"the constant {tensor.name} has data type {tensor.data_type}, or lies in another file")
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, kind.newbyteorder("<")).reshape(tensor.dims)
    if kind.kind == "c":  # real and imaginary parts in turn
        parts = tensor.float_data if kind.itemsize == 8 else tensor.double_data
        return np.array(parts, kind.type(0).real.dtype).view(kind).reshape(tensor.dims)
    if kind == np.float16:  # its bits
        return np.array(tensor.int32_data, np.int32).astype(np.uint16).view(kind).reshape(tensor.dims)
    stored = {"f4": tensor.float_data, "f8": tensor.double_data, "i8": tensor.int64_data}.get(kind.str[1:])
    if stored is None:
        stored = tensor.uint64_data if kind.str[1:] in ("u4", "u8") else tensor.int32_data
    return np.array(stored, kind).reshape(tensor.dims)


def graphs_in(node: Any) -> Iterator[Any]:
    """Give the graphs within a node, such as the branches of an If."""
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def constants_in(graph: Any) -> Iterator[Any]:
    """Give the TensorProtos of a graph and of its nodes, those of the graphs within it included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
        for inner in graphs_in(node):
            yield from constants_in(inner)


def _attribute(name: str, value: Any) -> Any:
    made = message("AttributeProto", name=name)
    if isinstance(value, numbers.Integral):
        made.i, made.type = int(value), _INT_KIND
    elif isinstance(value, numbers.Real):
        made.f, made.type = float(value), _FLOAT_KIND
    elif isinstance(value, str):
        made.s, made.type = value.encode(), _STRING_KIND
    elif isinstance(value, _POOL.classes["onnx.GraphProto"]):
        made.g.CopyFrom(value)
        made.type = _GRAPH_KIND
    elif isinstance(value, Iterable) and (items := list(value)) and _are(items, numbers.Integral):
        made.ints.extend(items)
        made.type = _INTS_KIND
    elif isinstance(value, Iterable) and items and _are(items, numbers.Real):
        made.floats.extend(items)
        made.type = _FLOATS_KIND
    else:
        raise TypeError(f"the attribute {name} cannot be {value!r}")
    return made


def _are(items: list[Any], kind: type) -> bool:
    return all(isinstance(item, kind) for item in items)


def _make_pool() -> tuple[Any, list[str]]:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(base64.b64decode(onnx_descriptor.SERIALIZED_BASE64))
    return pool, ["onnx.proto"]


_POOL = PrivatePool(_make_pool)
