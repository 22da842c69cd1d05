"""Write an ONNX graph node by node, its weights streamed to a file beside it that the runtime can map.

Graphs are plain ai.onnx operators of one operator set: the runtime's own fusions
turn them into what is fastest on the machine at hand, and other runtimes can run them too.
Not here: what the nodes mean (`bodies/`, `heads/`, `quantize.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.tensor import Array
from naiad.proto.onnx_messages import (
    BOOL,
    EXTERNAL,
    FLOAT,
    INT64,
    data_type,
    make_graph,
    make_model,
    make_node,
    make_value,
    message,
)

OPSET = 20
"""The first with Gelu as an operator of its own; ONNX Runtime reads it since 1.17."""

IR_VERSION = 9
"""What belongs to opset 20; older runtimes refuse a newer one."""

ALIGNMENT_BYTES = 4096
"""External weights begin on a memory page, so that mapping the file needs no copy."""

INLINE_BYTES = 1024
"""Smaller constants stay in the graph file."""

Shape = tuple[int | str, ...]
"""A number for a fixed axis, a name for one that varies."""


class GraphBuilder:
    """A graph in the making. Values are named by strings; an empty string is an omitted optional input."""

    FLOAT = FLOAT
    """For Cast."""

    def __init__(self, name: str, data_file: Path) -> None:
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
        self._inputs.append(make_value(name, FLOAT if floats else INT64, shape))
        return name

    def output(self, name: str, value: str, shape: Shape) -> None:
        """Declare `value` as a float32 output of the graph."""
        self._nodes.append(make_node("Identity", [value], [name], name=name))
        self._outputs.append(make_value(name, FLOAT, shape))

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
        self._nodes.append(make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def numbers(self, x: str) -> str:
        """0, 1, 2 … as many as x has entries along its first axis, int64."""
        count = self.op("Squeeze", self.op("Shape", x, end=1))
        return self.op("Range", self.integer(0), count, self.integer(1))

    def each(self, count: str, make: Callable[[str], str], shape: Shape | None = None) -> str:
        """Compute a value once for each number below `count` (int64 scalar) and stack the values, one after the other.

        make: adds the nodes for one number, given its name; it may use all that there is outside. shape: of one value.
        """
        number, keep = self._fresh("number"), self._fresh("keep")
        inputs = {number: INT64, keep: BOOL}
        body = self._inner(lambda: {keep: (BOOL, ()), make(number): (FLOAT, shape)}, inputs)
        return self.op("Loop", count, "", body=body)

    def choose(
        self,
        condition: str,
        then: Callable[[], str],
        otherwise: Callable[[], str],
        kind: type[np.generic] = np.float32,
    ) -> str:
        """One of two values of a kind by a bool scalar; of the nodes that the makers add, only the chosen ones run."""
        datatype = data_type(np.dtype(kind))

        def branch(make: Callable[[], str]) -> Any:
            return self._inner(lambda: {make(): (datatype, None)})

        return self.op("If", condition, then_branch=branch(then), else_branch=branch(otherwise))

    def _inner(
        self, make: Callable[[], dict[str, tuple[int, Shape | None]]], inputs: Mapping[str, int] | None = None
    ) -> Any:
        """A graph within a node; its values are not seen outside, its weights and constants stand outside.

        make: gives the values that come out, with type and shape. inputs: scalars, with their type.
        """
        outside, once, self._nodes = self._nodes, dict(self._once), []
        outputs = [make_value(self.op("Identity", value), *kind) for value, kind in make().items()]
        given = [make_value(name, kind, ()) for name, kind in (inputs or {}).items()]
        graph = make_graph(self._fresh("inner"), self._nodes, given, outputs)
        self._nodes, self._once = outside, once
        return graph

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        """Cut a value into parts of these sizes."""
        name = self._fresh("Split")
        outputs = [f"{name}_{part}" for part in range(len(sizes))]
        self._nodes.append(make_node("Split", [x, self.ints(*sizes)], outputs, axis=axis))
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
        """Write the graph; the weights are written already."""
        self._data.close()
        graph = make_graph(self._name, self._nodes, self._inputs, self._outputs, self._initializers)
        model = make_model(graph, ir_version=IR_VERSION, opset=OPSET, producer="naiad")
        path.write_bytes(model.SerializeToString())

    def close(self) -> None:
        """Close the weight file; harmless after save."""
        self._data.close()

    def _store(self, name: str, array: Array) -> None:
        tensor = message("TensorProto", name=name, dims=array.shape, data_type=data_type(array.dtype))
        self._initializers.append(tensor)
        if array.nbytes < INLINE_BYTES:
            tensor.raw_data = array.tobytes()
            return
        offset = -(-self._data.tell() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        self._data.seek(offset)
        self._data.write(array.reshape(-1).view(np.uint8).data)
        point_to(tensor, self._data_name, offset, array.nbytes)


def point_to(tensor: Any, file: str, offset: int, length: int) -> None:
    """Say that the numbers of a TensorProto lie in a file beside the graph."""
    tensor.data_location = EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
