"""Where the tensors of an ONNX file lie in the data files beside it, read from the protobuf without the onnx package.

Opening a model asks this every time, and importing onnx takes longer than the rest. The file is mapped and stepped
through, so that weights inside it cost nothing. Not here: moving tensors (`alignment.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naiad.backends.onnxruntime.prepared.fields import Bytes, fields, whole_number

ALIGNMENT_BYTES = 64
"""What a tensor's place must be a multiple of: the widest vector that a processor loads at once, and a cache line."""

DEEPEST = 64
"""Graphs within graphs (If, Loop) that are followed."""

MOVING = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Slice", "Gather"})
"""Operators that change no number."""

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_VALUE_NAME = 1
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_TYPE, _TENSOR_EXTERNAL = 2, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


@dataclass(frozen=True, slots=True)
class Extent:
    """One stretch of a data file that a session maps."""

    file: str
    """As the graph calls it: a path relative to its own folder."""
    offset: int
    length: int
    is_packed: bool
    """A matrix laid out for one kind of processor by the runtime, instead of the plain tensor."""


def read_extents(model: Path) -> list[Extent]:
    """Every stretch of external data. Raises ValueError where the file is no ONNX model, OSError where it is none."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [
            extent
            for number, start, stop in fields(data, 0, len(data))
            if number == _MODEL_GRAPH
            for extent in _of_graph(data, start, stop, DEEPEST)
        ]


def read_operators(model: Path) -> set[str]:
    """Names of the operators in the outermost graph. Raises as read_extents."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            data[left:right].decode()
            for number, start, stop in fields(data, 0, len(data))
            if number == _MODEL_GRAPH
            for kind, begin, end in fields(data, start, stop)
            if kind == _GRAPH_NODE
            for key, left, right in fields(data, begin, end)
            if key == _NODE_OPERATOR
        }


def read_types(model: Path) -> set[int]:
    """Data types of the constants in the outermost graph, as ONNX numbers them. Raises as read_extents."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            whole_number(data, left, right)
            for number, start, stop in fields(data, 0, len(data))
            if number == _MODEL_GRAPH
            for kind, begin, end in fields(data, start, stop)
            if kind == _GRAPH_TENSOR
            for key, left, right in fields(data, begin, end)
            if key == _TENSOR_TYPE
        }


def read_makers(model: Path) -> dict[str, str]:
    """The operator that makes each output of the outermost graph, behind those that only move numbers.

    Nothing for an output that is a graph's input or constant, and for what is no ONNX file.
    """
    nodes: dict[str, tuple[str, str]] = {}  # what a node gives → its operator and what it takes first
    outputs = []
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for number, start, stop in fields(data, 0, len(data)):
                for kind, begin, end in fields(data, start, stop) if number == _MODEL_GRAPH else ():
                    if kind == _GRAPH_NODE:
                        texts = [
                            (key, data[left:right].decode())
                            for key, left, right in fields(data, begin, end)
                            if key in (_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR)
                        ]
                        operator = "".join(text for key, text in texts if key == _NODE_OPERATOR)
                        first = next((text for key, text in texts if key == _NODE_INPUT), "")
                        nodes |= {text: (operator, first) for key, text in texts if key == _NODE_OUTPUT}
                    elif kind == _GRAPH_OUTPUT:
                        outputs += [
                            data[left:right].decode()
                            for key, left, right in fields(data, begin, end)
                            if key == _VALUE_NAME
                        ]
    except (OSError, ValueError):
        return {}
    makers = {}
    for output in outputs:
        operator, first = nodes.get(output, ("", ""))
        while operator in MOVING:
            operator, first = nodes.get(first, ("", ""))
        if operator:
            makers[output] = operator
    return makers


def is_aligned(model: Path) -> bool:
    """Whether every tensor in the model's data files begins where a vector can be loaded. Raises as read_extents."""
    return all(extent.offset % ALIGNMENT_BYTES == 0 for extent in read_extents(model))


def is_mappable(model: Path, data: Path) -> bool:
    """Whether all of that lies inside this one data file, too. Raises as read_extents."""
    size = data.stat().st_size if data.exists() else 0
    return is_aligned(model) and all(extent.offset + extent.length <= size for extent in read_extents(model))


def parse_packed(value: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Read a `prepacked_0` entry, `key|offset;length;checksum|…`: the key, and place, size and checksum of each part.

    Raises ValueError.
    """
    key, *parts = value.split("|")
    blobs = []
    for part in parts:
        offset, length, checksum = part.split(";")
        blobs.append((int(offset), int(length), checksum))
    return key, blobs


def _of_graph(data: Bytes, start: int, stop: int, depth: int) -> Iterator[Extent]:
    for number, begin, end in fields(data, start, stop):
        if number == _GRAPH_TENSOR:
            yield from _of_tensor(data, begin, end)
        elif number == _GRAPH_NODE and depth and data.find(b"offset", begin, end) >= 0:
            for kind, left, right in fields(data, begin, end):
                if kind == _NODE_ATTRIBUTE:
                    yield from _of_attribute(data, left, right, depth - 1)


def _of_attribute(data: Bytes, start: int, stop: int, depth: int) -> Iterator[Extent]:
    for number, begin, end in fields(data, start, stop):
        if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            yield from _of_graph(data, begin, end, depth)
        elif number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            yield from _of_tensor(data, begin, end)


def _of_tensor(data: Bytes, start: int, stop: int) -> Iterator[Extent]:
    entries = {}
    for number, begin, end in fields(data, start, stop):
        if number == _TENSOR_EXTERNAL:
            texts = {kind: data[left:right].decode() for kind, left, right in fields(data, begin, end)}
            entries[texts.get(_ENTRY_KEY, "")] = texts.get(_ENTRY_VALUE, "")
    if entries:
        file = entries.get("location", "")
        yield Extent(file, int(entries.get("offset", 0)), int(entries.get("length", 0)), is_packed=False)
    for key, value in entries.items():
        if key.startswith("prepacked_"):
            yield from (Extent(file, offset, length, is_packed=True) for offset, length, _ in parse_packed(value)[1])
