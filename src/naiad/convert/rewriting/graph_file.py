"""Reading exported ONNX files and writing them as they are served.

The weights lie beside the graph, each at the beginning of a memory page, so that the file can be mapped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from naiad.convert.encoder.graph import ALIGNMENT_BYTES, INLINE_BYTES
from naiad.core.errors import LoadFailed


def read_graph(path: Path) -> Any:
    """An ONNX model with all its weights in memory. Raises LoadFailed."""
    import onnx

    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's and onnx's exceptions have no common base
        raise LoadFailed(f"{path}: not a readable ONNX file: {error}", path=str(path)) from error


def write_graph(model: Any, path: Path) -> None:
    """Write the graph and, as PATH.data, its weights; takes them out of `model`."""
    from onnx import TensorProto, numpy_helper

    data = path.with_name(path.name + ".data")
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            array = np.ascontiguousarray(numpy_helper.to_array(tensor))
            if array.nbytes < INLINE_BYTES or tensor.data_type == TensorProto.STRING:
                continue
            file.write(b"\0" * (-file.tell() % ALIGNMENT_BYTES))
            place = TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
            place.data_location = TensorProto.EXTERNAL
            for key, value in (("location", data.name), ("offset", file.tell()), ("length", array.nbytes)):
                place.external_data.add(key=key, value=str(value))
            file.write(array.reshape(-1).view(np.uint8).data)
            tensor.CopyFrom(place)
    path.write_bytes(model.SerializeToString())


def opset_of(model: Any) -> int:
    """The version of the standard operators."""
    return next((int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
