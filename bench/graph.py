"""The graphs that every contender but Naiad serves, written with the onnx package alone, so that no torch is needed.

`build_text_graph` makes the usual padded encoder of a BERT checkpoint: ids, mask and type ids in, mean-pooled and
normalised embeddings out. It is as fast in ONNX Runtime as the same model exported by torch (docs/explanation/
benchmarks.md has the figures). `build_simple` writes the `simple` repository: two INT32[16] in, sum and difference out;
`build_image` the `image` repository: FP32[3, 224, 224] in, the same out.
Nothing here comes from Naiad: what Naiad is compared with must not share its builder.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

SIMPLE_CONFIG = """name: "simple"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
  { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] }
]
output [
  { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
  { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] }
]
"""

IMAGE_CONFIG = """name: "image"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
output [ { name: "OUTPUT" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
"""


class Graph:
    """Nodes and weights of a graph that is being written; every method answers the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def weight(self, name: str, values: np.ndarray) -> str:
        self.weights[name] = numpy_helper.from_array(np.array(values, order="C"), name)
        return name

    def ints(self, *values: int) -> str:
        return self.weight("ints_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def save(self, path: Path, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> None:
        graph = helper.make_graph(self.nodes, path.stem, inputs, outputs, list(self.weights.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))


def build_simple(repository: Path) -> None:
    """Write the folder `simple` (config.pbtxt and 1/model.onnx) into a model repository."""
    graph = Graph()
    graph.op("Add", "INPUT0", "INPUT1", name="OUTPUT0")
    graph.op("Sub", "INPUT0", "INPUT1", name="OUTPUT1")
    pair = [[helper.make_tensor_value_info(f"{side}{i}", TensorProto.INT32, ["batch", 16]) for i in (0, 1)]
            for side in ("INPUT", "OUTPUT")]  # fmt: skip
    graph.save(repository / "simple" / "1" / "model.onnx", *pair)
    (repository / "simple" / "config.pbtxt").write_text(SIMPLE_CONFIG)


def build_image(repository: Path) -> None:
    """Write the folder `image` into a model repository."""
    graph = Graph()
    graph.op("Identity", "INPUT", name="OUTPUT")
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, 224, 224])]
            for name in ("INPUT", "OUTPUT")]  # fmt: skip
    graph.save(repository / "image" / "1" / "model.onnx", *ends)
    (repository / "image" / "config.pbtxt").write_text(IMAGE_CONFIG)


def build_text_graph(checkpoint: Path, path: Path) -> None:
    """Write the padded graph of a BERT checkpoint: `embedding` (texts, hidden) float32."""
    from safetensors.numpy import load_file

    config = json.loads((checkpoint / "config.json").read_text())
    weights = load_file(checkpoint / "model.safetensors").items()
    tensors = {name.removeprefix("bert."): value for name, value in weights if value.dtype == np.float32}
    graph = Graph()
    hidden = _embeddings(graph, tensors, config["layer_norm_eps"])
    bias = _attention_bias(graph)
    for index in range(config["num_hidden_layers"]):
        hidden = _layer(graph, tensors, f"encoder.layer.{index}.", hidden, bias, config)
    _pool(graph, hidden)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in names]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", config["hidden_size"]])]
    graph.save(path, inputs, outputs)


def quantize(source: Path, target: Path) -> None:
    """Write the int8 graph that ONNX Runtime's own tool makes: dynamic, one activation scale per tensor."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)  # it advises a step that changes nothing here
    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True,
                     op_types_to_quantize=["MatMul"])  # fmt: skip


def _embeddings(graph: Graph, tensors: dict[str, np.ndarray], epsilon: float) -> str:
    tables = [graph.weight(f"{kind}_table", tensors[f"embeddings.{kind}_embeddings.weight"])
              for kind in ("word", "position", "token_type")]  # fmt: skip
    length = graph.op("Gather", graph.op("Shape", "input_ids"), graph.weight("one", np.array(1, dtype=np.int64)))
    zero, one = graph.weight("zero", np.array(0, dtype=np.int64)), "one"
    positions = graph.op("Range", zero, length, one)
    words = graph.op("Gather", tables[0], "input_ids")
    total = graph.op("Add", words, graph.op("Gather", tables[2], "token_type_ids"))
    total = graph.op("Add", total, graph.op("Gather", tables[1], positions))
    return _norm(graph, tensors, "embeddings.LayerNorm", total, epsilon)


def _norm(graph: Graph, tensors: dict[str, np.ndarray], name: str, value: str, epsilon: float) -> str:
    scale = graph.weight(f"{name}.weight", tensors[f"{name}.weight"])
    bias = graph.weight(f"{name}.bias", tensors[f"{name}.bias"])
    return graph.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=epsilon)


def _attention_bias(graph: Graph) -> str:
    mask = graph.op("Cast", graph.op("Unsqueeze", "attention_mask", graph.ints(1, 2)), to=TensorProto.FLOAT)
    inverted = graph.op("Sub", graph.weight("one_float", np.array(1, dtype=np.float32)), mask)
    return graph.op("Mul", inverted, graph.weight("lowest", np.array(-1e9, dtype=np.float32)))


def _linear(graph: Graph, tensors: dict[str, np.ndarray], name: str, value: str) -> str:
    product = graph.op("MatMul", value, graph.weight(f"{name}.weight", tensors[f"{name}.weight"].T))
    return graph.op("Add", product, graph.weight(f"{name}.bias", tensors[f"{name}.bias"]))


def _layer(graph: Graph, tensors: dict[str, np.ndarray], prefix: str, hidden: str, bias: str, config: dict) -> str:
    heads, width, epsilon = config["num_attention_heads"], config["hidden_size"], config["layer_norm_eps"]
    shape = graph.ints(0, 0, heads, width // heads)
    q, k, v = (graph.op("Reshape", _linear(graph, tensors, f"{prefix}attention.self.{part}", hidden), shape)
               for part in ("query", "key", "value"))  # fmt: skip
    q, k, v = (graph.op("Transpose", value, perm=[0, 2, 1, 3]) for value in (q, k, v))
    scores = graph.op("MatMul", q, graph.op("Transpose", k, perm=[0, 1, 3, 2]))
    scale = graph.weight("scale", np.array((width // heads) ** -0.5, dtype=np.float32))
    weights = graph.op("Softmax", graph.op("Add", graph.op("Mul", scores, scale), bias), axis=-1)
    mixed = graph.op("Transpose", graph.op("MatMul", weights, v), perm=[0, 2, 1, 3])
    mixed = graph.op("Reshape", mixed, graph.ints(0, -1, width))
    mixed = graph.op("Add", hidden, _linear(graph, tensors, f"{prefix}attention.output.dense", mixed))
    hidden = _norm(graph, tensors, f"{prefix}attention.output.LayerNorm", mixed, epsilon)
    inner = _gelu(graph, _linear(graph, tensors, f"{prefix}intermediate.dense", hidden))
    outer = graph.op("Add", hidden, _linear(graph, tensors, f"{prefix}output.dense", inner))
    return _norm(graph, tensors, f"{prefix}output.LayerNorm", outer, epsilon)


def _gelu(graph: Graph, value: str) -> str:
    """Spell Gelu as torch's exporter does; ONNX Runtime recognises it and uses a faster kernel than opset 20's own."""
    half, one = (graph.weight(f"float_{v}", np.array(v, dtype=np.float32)) for v in (0.5, 1.0))
    erf = graph.op("Erf", graph.op("Div", value, graph.weight("root_two", np.array(2**0.5, dtype=np.float32))))
    return graph.op("Mul", graph.op("Mul", value, graph.op("Add", erf, one)), half)


def _pool(graph: Graph, hidden: str) -> None:
    mask = graph.op("Cast", graph.op("Unsqueeze", "attention_mask", graph.ints(1)), to=TensorProto.FLOAT)
    total = graph.op("Squeeze", graph.op("MatMul", mask, hidden), graph.ints(1))
    # Mean and normalisation in one: the division by the number of tokens cancels out.
    graph.op("Div", total, graph.op("ReduceL2", total, axes=[-1], keepdims=1), name="embedding")
