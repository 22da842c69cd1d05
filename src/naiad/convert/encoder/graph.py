"""Write an ONNX graph node by node, its weights streamed to a file beside it that the runtime can map.

Only this file knows the onnx package. Graphs are plain ai.onnx operators of one operator set: the runtime's own fusions
turn them into what is fastest on the machine at hand, and other runtimes can run them too.
Not here: what the nodes mean (`bodies/`, `heads/`, `quantize.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.tensor import Array

OPSET = 20
"""The first with Gelu as an operator of its own; ONNX Runtime reads it since 1.17."""

IR_VERSION = 9
"""What belongs to opset 20; onnx writes a newer one by default, which older runtimes refuse."""

ALIGNMENT_BYTES = 4096
"""External weights begin on a memory page, so that mapping the file needs no copy."""

INLINE_BYTES = 1024
"""Smaller constants stay in the graph file."""

Shape = tuple[int | str, ...]
"""A number for a fixed axis, a name for one that varies."""


class GraphBuilder:
    """A graph in the making. Values are named by strings; an empty string is an omitted optional input."""

    FLOAT = 1
    """TensorProto.FLOAT, for Cast."""

    def __init__(self, name: str, data_file: Path) -> None:
        import onnx

        self._onnx = onnx
        self._name = name
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._known: dict[object, str] = {}
        self._once: dict[str, str] = {}
        self._named = 0
        self._data_name = data_file.name
        self._data = data_file.open("wb")

    def input(self, name: str, shape: Shape, *, floats: bool = False) -> str:
        """Declare an int64 or float32 input of the graph."""
        kind = self._onnx.TensorProto.FLOAT if floats else self._onnx.TensorProto.INT64
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, shape: Shape) -> None:
        """Declare `value` as a float32 output of the graph."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape))

    def weight(self, name: str, make: Callable[[], Array]) -> str:
        """A constant by name; `make` is called the first time only, so layers that share weights store them once."""
        if name not in self._known:
            self._known[name] = name
            self._store(name, np.ascontiguousarray(make()))
        return name

    def constant(self, value: Array) -> str:
        """A small constant; equal ones are stored once."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._known:
            self._known[key] = f"constant_{len(self._initializers)}"
            self._store(self._known[key], value)
        return self._known[key]

    def ints(self, *values: int) -> str:
        """A constant int64 vector, as axes and shapes are given."""
        return self.constant(np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """A constant int64 scalar."""
        return self.constant(np.array(value, np.int64))

    def number(self, value: float) -> str:
        """A constant float32 scalar."""
        return self.constant(np.array(value, np.float32))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; gives the output's name."""
        output = self._fresh(kind)
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def each(self, count: str, make: Callable[[str], str], shape: Shape | None = None) -> str:
        """Compute a value once for each number below `count` (int64 scalar) and stack the values, one after the other.

        make: adds the nodes for one number, given its name; it may use all that there is outside. shape: of one value.
        """
        proto = self._onnx.TensorProto
        number, keep = self._fresh("number"), self._fresh("keep")
        inputs = {number: proto.INT64, keep: proto.BOOL}
        body = self._inner(lambda: {keep: (proto.BOOL, ()), make(number): (proto.FLOAT, shape)}, inputs)
        return self.op("Loop", count, "", body=body)

    def choose(
        self,
        condition: str,
        then: Callable[[], str],
        otherwise: Callable[[], str],
        kind: type[np.generic] = np.float32,
    ) -> str:
        """One of two values of a kind by a bool scalar; of the nodes that the makers add, only the chosen ones run."""
        datatype = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))

        def branch(make: Callable[[], str]) -> Any:
            return self._inner(lambda: {make(): (datatype, None)})

        return self.op("If", condition, then_branch=branch(then), else_branch=branch(otherwise))

    def _inner(
        self, make: Callable[[], dict[str, tuple[int, Shape | None]]], inputs: Mapping[str, int] | None = None
    ) -> Any:
        """A graph within a node; its values are not seen outside, its weights and constants stand outside.

        make: gives the values that come out, with type and shape. inputs: scalars, with their type.
        """
        helper = self._onnx.helper
        outside, once, self._nodes = self._nodes, dict(self._once), []
        outputs = [helper.make_tensor_value_info(self.op("Identity", value), *kind) for value, kind in make().items()]
        given = [helper.make_tensor_value_info(name, kind, ()) for name, kind in (inputs or {}).items()]
        graph = helper.make_graph(self._nodes, self._fresh("inner"), given, outputs)
        self._nodes, self._once = outside, once
        return graph

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        """Cut a value into parts of these sizes."""
        name = self._fresh("Split")
        outputs = [f"{name}_{part}" for part in range(len(sizes))]
        self._nodes.append(self._onnx.helper.make_node("Split", [x, self.ints(*sizes)], outputs, axis=axis))
        return outputs

    def once(self, key: str, make: Callable[[], str]) -> str:
        """A value computed the first time only: what several layers need alike."""
        if key not in self._once:
            self._once[key] = make()
        return self._once[key]

    def _fresh(self, kind: str) -> str:
        """A name that no other value has."""
        self._named += 1
        return f"{kind}_{self._named}"

    def save(self, path: Path) -> None:
        """Check the graph and write it; the weights are written already."""
        self._data.close()
        graph = self._onnx.helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, initializer=self._initializers
        )
        model = self._onnx.helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[self._onnx.helper.make_opsetid("", OPSET)],
            producer_name="naiad",
        )
        path.write_bytes(model.SerializeToString())
        self._onnx.checker.check_model(str(path))

    def close(self) -> None:
        """Close the weight file; harmless after save."""
        self._data.close()

    def _store(self, name: str, array: Array) -> None:
        tensor = self._onnx.TensorProto(
            name=name, dims=array.shape, data_type=self._onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        )
        self._initializers.append(tensor)
        if array.nbytes < INLINE_BYTES:
            tensor.raw_data = array.tobytes()
            return
        offset = -(-self._data.tell() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self._data.seek(offset)
        self._data.write(array.reshape(-1).view(np.uint8).data)
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        for key, value in (("location", self._data_name), ("offset", str(offset)), ("length", str(array.nbytes))):
            tensor.external_data.add(key=key, value=value)
