"""Reading exported ONNX files and writing them as they are served.

The weights lie beside the graph, each at the beginning of a memory page, so that the file can be mapped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from naiad.convert.encoder.graph import ALIGNMENT_BYTES, INLINE_BYTES, point_to
from naiad.core.errors import LoadFailed
from naiad.proto.onnx_messages import EXTERNAL, constants_in, message, read_model
from naiad.repository.checkpoint import inside


def read_graph(path: Path) -> Any:
    """An ONNX model with all its weights in memory. Raises LoadFailed."""
    try:
        model = read_model(path)
        for tensor in constants_in(model.graph):
            if tensor.data_location == EXTERNAL:
                _fetch(tensor, path.parent)
    except (OSError, ValueError) as error:
        raise LoadFailed(f"{path}: not a readable ONNX file: {error}", path=str(path)) from error
    return model


def write_graph(model: Any, path: Path) -> None:
    """Write the graph and, as PATH.data, its weights; takes them out of `model`."""
    data = path.with_name(path.name + ".data")
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) < INLINE_BYTES:
                continue
            file.write(b"\0" * (-file.tell() % ALIGNMENT_BYTES))
            place = message("TensorProto", name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            point_to(place, data.name, file.tell(), len(tensor.raw_data))
            file.write(tensor.raw_data)
            tensor.CopyFrom(place)
    path.write_bytes(model.SerializeToString())


def opset_of(model: Any) -> int:
    """The version of the standard operators."""
    return next((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)


def _fetch(tensor: Any, folder: Path) -> None:
    """Take the numbers of a constant out of the file beside the graph. Raises OSError or ValueError."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
    with inside(folder, entries.get("location", "")).open("rb") as file:
        file.seek(offset)
        raw = file.read(length)
    if len(raw) < length:
        raise ValueError(f"{entries['location']} ends before the constant {tensor.name}, {length} bytes at {offset}")
    tensor.raw_data = raw
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
