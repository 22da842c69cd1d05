"""Small ONNX image models as exporters write them: one convolution over patches, a mean, a dense layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, HIDDEN, LABELS, SIDE, PATCH = 3, 6, 5, 16, 4

_random = np.random.default_rng(2)
KERNEL = _random.standard_normal((HIDDEN, CHANNELS, PATCH, PATCH)).astype(np.float32)
DENSE = _random.standard_normal((HIDDEN, LABELS)).astype(np.float32)


def expected_logits(pixels: Any) -> Any:
    """What the models compute of (images, channels, height, width)."""
    images, _, height, width = pixels.shape
    grid = pixels.reshape(images, CHANNELS, height // PATCH, PATCH, width // PATCH, PATCH)
    return np.einsum("nchpwq,ocpq->nohw", grid, KERNEL).mean(axis=(2, 3)) @ DENSE


def write_export(
    folder: Path,
    *,
    pixels: str = "pixel_values",
    logits: str = "logits",
    shape: tuple[Any, ...] = ("batch", 3, SIDE, SIDE),
    channels_last: bool = False,
    end: str = "",
    kind: int = TensorProto.FLOAT,
    more: tuple[str, ...] = (),
    config: dict[str, Any] | None = None,
) -> Path:
    """Write the model with config.json and preprocessor_config.json; gives the folder.

    end: an operator after the logits. more: further outputs, `pooler_output` or `last_hidden_state`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dtype = np.float16 if kind == TensorProto.FLOAT16 else np.float32
    nodes = [helper.make_node("Transpose", [pixels], ["moved"], perm=[0, 3, 1, 2])] if channels_last else []
    nodes += [
        helper.make_node("Conv", ["moved" if channels_last else pixels, "kernel"], ["patches"], strides=[PATCH, PATCH]),
        helper.make_node("ReduceMean", ["patches", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "dense"], ["scores"]),
    ]
    nodes.append(helper.make_node(end or "Identity", ["scores"], [logits]))
    outputs = [helper.make_tensor_value_info(logits, kind, [shape[0], LABELS])]
    if "pooler_output" in more:
        nodes.append(helper.make_node("Identity", ["mean"], ["pooler_output"]))
        outputs.append(helper.make_tensor_value_info("pooler_output", kind, [shape[0], HIDDEN]))
    if "last_hidden_state" in more:
        nodes.append(helper.make_node("Reshape", ["patches", "rows"], ["columns"]))
        nodes.append(helper.make_node("Transpose", ["columns"], ["last_hidden_state"], perm=[0, 2, 1]))
        outputs.append(helper.make_tensor_value_info("last_hidden_state", kind, [shape[0], "tokens", HIDDEN]))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(pixels, kind, list(shape))],
        outputs,
        [
            numpy_helper.from_array(KERNEL.astype(dtype), "kernel"),
            numpy_helper.from_array(DENSE.astype(dtype), "dense"),
            numpy_helper.from_array(np.array([2, 3]), "axes"),
            numpy_helper.from_array(np.array([0, HIDDEN, -1]), "rows"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))
    labels = {str(number): name for number, name in enumerate("abcde")}
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "resnet",
                "architectures": ["ResNetForImageClassification"],
                "id2label": labels,
                **(config or {}),
            }
        )
    )
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}})
    )
    return folder
