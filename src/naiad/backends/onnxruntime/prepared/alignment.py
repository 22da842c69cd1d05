"""Move the tensors of a data file to places that a processor can load whole vectors from.

ONNX Runtime writes them one behind the other; its kernels for packed matrices load aligned vectors, and a bias of 301
numbers in front of one ends the process on AVX-512.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from naiad.backends.onnxruntime.prepared.extents import ALIGNMENT_BYTES, parse_packed, read_extents
from naiad.proto.onnx_messages import constants_in, read_model

Stretch = tuple[int, int]
"""Offset and length."""


def align(graph: Path, data: Path) -> None:
    """Move every tensor and packed matrix to a multiple of ALIGNMENT_BYTES, and write down where it went.

    There is no data file where no tensor is large enough. Raises ValueError for entries that cannot be read, OSError
    where the disk does not take the files.
    """
    if not data.exists() or not data.stat().st_size:
        return
    places = assign({(extent.offset, extent.length) for extent in read_extents(graph)}, data.stat().st_size)
    _move(data, places)
    model = read_model(graph)
    _write_down(model.graph, lambda offset, length: places[offset, length])
    graph.write_bytes(model.SerializeToString())


def assign(stretches: Iterable[Stretch], size: int) -> dict[Stretch, int]:
    """A new place for each stretch of a file of `size` bytes, aligned, and never before the old one.

    Raises ValueError for stretches that overlap or lie outside.
    """
    places: dict[Stretch, int] = {}
    old_end = new_end = 0
    for offset, length in sorted(stretches):
        if offset < old_end or length < 0 or offset + length > size:
            raise ValueError(f"{length} bytes at {offset} overlap others or lie outside the data file")
        place = -(-max(offset, new_end) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        places[offset, length] = place
        old_end, new_end = offset + length, place + length
    return places


def _move(data: Path, places: dict[Stretch, int]) -> None:
    """The last one first, so that none is overwritten before it is moved; the file is as large as it needs to be."""
    size = max((place + length for (_, length), place in places.items()), default=0)
    with data.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))  # a full disk is an error here, and a signal when mapped
        with mmap.mmap(file.fileno(), 0) as content:
            for (offset, length), place in sorted(places.items(), reverse=True):
                content.move(place, offset, length)


def _write_down(graph: Any, place_of: Callable[[int, int], int]) -> None:
    for tensor in constants_in(graph):
        entries = {entry.key: entry for entry in tensor.external_data}
        if "offset" in entries:
            place = place_of(int(entries["offset"].value), int(entries["length"].value))
            entries["offset"].value = str(place)
        for name, entry in entries.items():
            if name.startswith("prepacked_"):
                key, blobs = parse_packed(entry.value)
                parts = [f"{place_of(offset, length)};{length};{checksum}" for offset, length, checksum in blobs]
                entry.value = "|".join((key, *parts))
