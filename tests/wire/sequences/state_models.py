"""ONNX models with implicit states: graphs of a few nodes, and their configurations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INT, TEXT = TensorProto.INT32, TensorProto.STRING


def info(name: str, kind: int, *shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, nodes: Sequence[Any], inputs: Any, outputs: Any, constants: Any = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def summing(path: Path) -> None:
    """Adds INPUT to the state; READY = 0 leaves it as it is. Neither START nor END is needed: the state begins anew."""
    nodes = [
        helper.make_node("Mul", ["INPUT", "READY"], ["counted"]),
        helper.make_node("Add", ["STATE_IN", "counted"], ["STATE_OUT"]),
        helper.make_node("Identity", ["STATE_OUT"], ["OUTPUT"]),
    ]
    inputs = [info(name, INT, "n", 1) for name in ("INPUT", "READY", "STATE_IN")]
    save(path, nodes, inputs, [info(name, INT, "n", 1) for name in ("OUTPUT", "STATE_OUT")])


def appending(path: Path) -> None:
    """Appends INPUT to the state, which is as long as the sequence; OUTPUT is the sum of all."""
    nodes = [
        helper.make_node("Concat", ["STATE_IN", "INPUT"], ["STATE_OUT"], axis=1),
        helper.make_node("ReduceSum", ["STATE_OUT", "axes"], ["OUTPUT"], keepdims=1),
    ]
    inputs = [info("INPUT", INT, "n", 1), info("STATE_IN", INT, "n", "t")]
    outputs = [info("OUTPUT", INT, "n", 1), info("STATE_OUT", INT, "n", "u")]
    save(path, nodes, inputs, outputs, [numpy_helper.from_array(np.array([1], np.int64), "axes")])


def remembering(path: Path) -> None:
    """Gives the string of the step before."""
    nodes = [
        helper.make_node("Identity", ["STATE_IN"], ["OUTPUT"]),
        helper.make_node("Identity", ["INPUT"], ["STATE_OUT"]),
    ]
    inputs = [info(name, TEXT, "n", 1) for name in ("INPUT", "STATE_IN")]
    save(path, nodes, inputs, [info(name, TEXT, "n", 1) for name in ("OUTPUT", "STATE_OUT")])


READY = 'control_input { name: "READY" control { kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] } }'


def config(name: str, strategy: str, state: str, *, more: str = "", kind: str = "INT32", dims: str = "1") -> str:
    return f"""
name: "{name}" backend: "onnxruntime" max_batch_size: 4 {more}
input {{ name: "INPUT" data_type: TYPE_{kind} dims: [ 1 ] }}
output {{ name: "OUTPUT" data_type: TYPE_{kind} dims: [ 1 ] }}
sequence_batching {{
  max_sequence_idle_microseconds: 60000000
  {strategy}
  state {{ input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_{kind} dims: [ {dims} ] {state} }}
}}
"""


FILE = 'initial_state { name: "first" data_type: TYPE_%s dims: [ %s ] data_file: "first" }'
ZEROS = 'initial_state { name: "first" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true }'
EMPTY = 'initial_state { name: "first" data_type: TYPE_INT32 dims: [ 0 ] zero_data: true }'
SAME = "use_same_buffer_for_input_output: true"
SEEN = 'output { name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ] }'
OLDEST = "oldest { max_candidate_sequences: 16 }"

MODELS: dict[str, tuple[Any, str, bytes | None]] = {
    "direct_sum": (summing, config("direct_sum", READY, ZEROS), None),
    "oldest_sum": (summing, config("oldest_sum", f"{OLDEST} {READY}", ""), None),
    "same_buffer_sum": (summing, config("same_buffer_sum", READY, SAME), None),
    "from_file": (
        summing,
        config("from_file", READY, FILE % ("INT32", "1")),
        np.array([100], np.int32).tobytes(),
    ),
    "seen": (summing, config("seen", READY, "", more=SEEN), None),
    "appended": (appending, config("appended", OLDEST, EMPTY, dims="-1"), None),
    "grown": (appending, config("grown", OLDEST, f"{EMPTY} {SAME} use_growable_memory: true", dims="-1"), None),
    "strings": (remembering, config("strings", "", FILE % ("STRING", "1"), kind="STRING"), b"\x05\0\0\0hello"),
}
"""Name → graph, configuration, what the file of the first state holds."""


def write(folder: Path) -> Path:
    for name, (build, text, first) in MODELS.items():
        build(folder / name / "1" / "model.onnx")
        (folder / name / "config.pbtxt").write_text(text)
        if first is not None:
            (folder / name / "initial_state").mkdir()
            (folder / name / "initial_state" / "first").write_bytes(first)
    return folder
