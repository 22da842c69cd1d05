"""Move the tensors of a data file to places that a processor can load whole vectors from.

ONNX Runtime writes them one behind the other; its kernels for packed matrices load aligned vectors, and a bias of 301
numbers in front of one ends the process on AVX-512.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from naiad.backends.onnxruntime.prepared.extents import ALIGNMENT_BYTES, parse_packed


def align(graph: Path, data: Path) -> None:
    """Write both files anew, every tensor and packed matrix at a multiple of ALIGNMENT_BYTES.

    There is no data file where no tensor is large enough. Raises ValueError for entries that cannot be read, OSError
    where the disk does not take the files.
    """
    if not data.exists() or not data.stat().st_size:
        return
    import onnx

    model = onnx.load(graph, load_external_data=False)
    moved = data.with_name(data.name + ".aligned")
    with (
        data.open("rb") as source,
        moved.open("wb") as target,
        mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as old,
    ):
        _move_all(model.graph, _Mover(old, target))
    moved.replace(data)
    graph.write_bytes(model.SerializeToString())


class _Mover:
    """Copies stretches of one file into another; what several tensors share stays shared."""

    def __init__(self, old: mmap.mmap, new: BinaryIO) -> None:
        self._old = old
        self._new = new
        self._moved: dict[tuple[int, int], int] = {}

    def move(self, offset: int, length: int) -> int:
        """Copy one stretch; gives its new place."""
        if not 0 <= offset <= offset + length <= len(self._old):
            raise ValueError(f"{length} bytes at {offset} lie outside the data file")
        if (offset, length) not in self._moved:
            place = -(-self._new.tell() // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
            self._new.seek(place)
            with memoryview(self._old) as whole, whole[offset : offset + length] as stretch:
                self._new.write(stretch)
            self._moved[offset, length] = place
        return self._moved[offset, length]


def _move_all(graph: Any, mover: _Mover) -> None:
    for tensor in _tensors(graph):
        entries = {entry.key: entry for entry in tensor.external_data}
        if "offset" in entries:
            length = int(entries["length"].value)
            entries["offset"].value = str(mover.move(int(entries["offset"].value), length))
        for name, entry in entries.items():
            if name.startswith("prepacked_"):
                key, blobs = parse_packed(entry.value)
                parts = [f"{mover.move(offset, length)};{length};{checksum}" for offset, length, checksum in blobs]
                entry.value = "|".join((key, *parts))


def _tensors(graph: Any) -> Iterator[Any]:
    """Constants of a graph and of the graphs within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
