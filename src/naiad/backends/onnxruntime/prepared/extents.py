"""Where the tensors of an ONNX file lie in the data files beside it, read from the protobuf without the onnx package.

Opening a model asks this every time, and importing onnx takes longer than the rest. The file is mapped and stepped
through, so that weights inside it cost nothing. Not here: moving tensors (`alignment.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    with _graphs(model) as (data, graphs):
        return [extent for start, stop in graphs for extent in _of_graph(data, start, stop, DEEPEST)]


def read_operators(model: Path) -> set[str]:
    """Names of the operators in the outermost graph. Raises as read_extents."""
    with _graphs(model) as (data, graphs):
        nodes = _inside(data, graphs, _GRAPH_NODE)
        return {data[left:right].decode() for left, right in _inside(data, nodes, _NODE_OPERATOR)}


def read_types(model: Path) -> set[int]:
    """Data types of the constants in the outermost graph, as ONNX numbers them. Raises as read_extents."""
    with _graphs(model) as (data, graphs):
        tensors = _inside(data, graphs, _GRAPH_TENSOR)
        return {whole_number(data, left, right) for left, right in _inside(data, tensors, _TENSOR_TYPE)}


def read_makers(model: Path) -> dict[str, str]:
    """The operator that makes each output of the outermost graph, behind those that only move numbers.

    Nothing for an output that is a graph's input or constant. Raises as read_extents.
    """
    with _graphs(model) as (data, graphs):

        def texts(message: tuple[int, int], number: int) -> list[str]:
            return [data[left:right].decode() for left, right in _inside(data, [message], number)]

        nodes = list(_inside(data, graphs, _GRAPH_NODE))
        makers = {output: node for node in nodes for output in texts(node, _NODE_OUTPUT)}
        found = {}
        for value in _inside(data, graphs, _GRAPH_OUTPUT):
            (output,) = texts(value, _VALUE_NAME)
            node = makers.get(output)
            while node and texts(node, _NODE_OPERATOR)[0] in MOVING:
                node = makers.get(texts(node, _NODE_INPUT)[0])
            if node:
                found[output] = texts(node, _NODE_OPERATOR)[0]
        return found


@contextmanager
def _graphs(model: Path) -> Iterator[tuple[Bytes, list[tuple[int, int]]]]:
    """The mapped file, and where its outermost graph lies in it; a file may give it in several parts."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data, list(_inside(data, [(0, len(data))], _MODEL_GRAPH))


def _inside(data: Bytes, messages: Iterable[tuple[int, int]], number: int) -> Iterator[tuple[int, int]]:
    """Where the fields of a number lie in each of these messages."""
    return ((begin, end) for message in messages for found, begin, end in fields(data, *message) if found == number)


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
