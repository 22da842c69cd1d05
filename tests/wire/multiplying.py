"""A small ONNX model whose answers tell which weights it has: `times`, which multiplies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

CACHE = "response_cache { enable: true }\n"


def write_times(folder: Path, factor: float, config: str = f"max_batch_size: 4\n{CACHE}") -> Path:
    """Write it, or other weights of it, into a repository, which is returned: y = factor x, of FP32 rows of two."""
    version = folder / "times" / "1"
    version.mkdir(parents=True, exist_ok=True)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "g",
        [value("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [value("y", onnx.TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (version / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "times" / "config.pbtxt").write_text(config)
    return folder
