"""A model of every kind that a backend runs, small enough to know its answers; a new backend or kind is a new row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from naiad.backends.registry import find_backend
from naiad.core.contracts import Batch, Instances, LoadRequest, TensorFiles
from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec, ImagePixels, TextTokens
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.errors import NaiadError, Rescheduled
from naiad.core.message import InferRequest, InferResponse, RequestedOutput, SequenceStep
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.modelconfig import finish, prepare

ONNX_TYPES = {"TYPE_FP32": TensorProto.FLOAT, "TYPE_INT64": TensorProto.INT64, "TYPE_STRING": TensorProto.STRING}
TENSORS = {"x": ("TYPE_FP32", [2]), "n": ("TYPE_INT64", [1]), "s": ("TYPE_STRING", [2])}
"""Inputs of the tensor model, whose outputs are called `x_out` and so on."""

WORDS, WIDTH = 40, 4
TABLE = np.random.default_rng(0).standard_normal((WORDS, WIDTH)).astype(np.float32)


def no_file(folder: Path, batches: bool) -> None:
    """For backends that are all code."""


def identity_graph(folder: Path, batches: bool) -> None:
    """An ONNX graph that does what the identity backend does, and is heavy enough for a wide instance."""

    def infos(suffix: str) -> list[onnx.ValueInfoProto]:
        lead: list[Any] = ["rows"] if batches else []
        return [
            helper.make_tensor_value_info(name + suffix, ONNX_TYPES[kind], [*lead, *dims])
            for name, (kind, dims) in TENSORS.items()
        ]

    nodes = [helper.make_node("Identity", [name], [name + "_out"]) for name in TENSORS]
    ballast = numpy_helper.from_array(np.zeros(20_000, np.float32), "ballast")
    save(folder / "model.onnx", nodes, infos(""), infos("_out"), [ballast])


def save(path: Path, nodes: Any, inputs: Any, outputs: Any, constants: Sequence[onnx.TensorProto] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


PYTHON_IDENTITY = """
import triton_python_backend_utils as pb_utils
import json

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        kinds = [[tensor["data_type"] for tensor in config[side]] for side in ("input", "output")]
        if kinds[0] != kinds[1]:
            raise ValueError("the outputs are not those of an identity")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        given = {tensor.name() + "_out": tensor.as_numpy() for tensor in request.inputs()}
        wanted = request.requested_output_names()
        missing = [name for name in wanted if name not in given]
        if missing:
            text = f"model 'm': no input for output '{missing[0]}'"
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, given[name]) for name in wanted])
"""


def identity_code(folder: Path, batches: bool) -> None:
    """The same as a Python model."""
    (folder / "model.py").write_text(PYTHON_IDENTITY)


FILES = {"identity": no_file, "onnxruntime": identity_graph, "python": identity_code}
"""How each backend's file of a tensor model is made that gives its inputs back."""


def tensor_files(backend: str, folder: Path, max_batch_size: int = 8) -> TensorFiles:
    version = folder / "m" / "2"
    version.mkdir(parents=True, exist_ok=True)
    FILES[backend](version, max_batch_size > 0)
    described = [{"name": name, "data_type": kind, "dims": dims} for name, (kind, dims) in TENSORS.items()]
    outputs = [{**tensor, "name": f"{tensor['name']}_out"} for tensor in described]
    document = prepare(
        {"backend": backend, "max_batch_size": max_batch_size, "input": described, "output": outputs}, "m"
    )
    config = finish(find_backend(backend).complete(document, version, {}), model_dir=version.parent)
    return TensorFiles(config, "2", version.parent, version)


def case(rows: int, seed: int, wanted: Sequence[str] = (), batches: bool = True) -> InferRequest:
    lead = (rows,) if batches else ()
    values = [f"{seed}-{index}-é\0".encode() for index in range(2 * max(rows, 0 if batches else 1))]
    return InferRequest(
        "m",
        id=f"r{seed}",
        inputs={
            "x": Tensor.of("x", np.full((*lead, 2), seed, np.float32)),
            "n": Tensor.of("n", np.full((*lead, 1), -seed, np.int64)),
            "s": bytes_tensor("s", values, (*lead, 2)),
        },
        outputs=tuple(RequestedOutput(name) for name in wanted),
    )


def check(request: InferRequest, response: object) -> None:
    assert isinstance(response, InferResponse), response
    assert (response.model_name, response.model_version, response.id) == ("m", "2", request.id)
    names = [output.name for output in request.outputs] or [f"{name}_out" for name in TENSORS]
    assert [tensor.name for tensor in response.outputs] == names
    for tensor in response.outputs:
        given = request.inputs[tensor.name.removesuffix("_out")]
        assert tensor.datatype == given.datatype
        assert tensor.data.dtype == given.data.dtype
        assert tensor.shape == given.shape
        assert tensor.data.tolist() == given.data.tolist()


def spec_of(layout: str, output: EncoderOutput, **more: Any) -> EncoderSpec:
    return EncoderSpec("bert", "any", (output,), 20, layout=layout, **more)


def info(name: str, kind: int, *dims: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def packed_files(folder: Path) -> EncoderFiles:
    """The embedding is the first token's row of a table."""
    nodes = [
        helper.make_node("Gather", ["input_ids", "starts"], ["first"]),
        helper.make_node("Gather", ["table", "first"], ["embedding"]),
    ]
    inputs = [info(name, TensorProto.INT64, "t") for name in ("input_ids", "segments")]
    inputs.append(info("starts", TensorProto.INT64, "n"))
    outputs = [info("embedding", TensorProto.FLOAT, "n", WIDTH)]
    graph = save(folder / "packed.onnx", nodes, inputs, outputs, [numpy_helper.from_array(TABLE, "table")])
    spec = spec_of("packed", EncoderOutput("embedding", "item", WIDTH), vocabulary=WORDS, pack_tokens=8)
    return EncoderFiles(graph, spec, folder / "prepared-texts")


def padded_files(folder: Path) -> EncoderFiles:
    """The state of each token is its row of a table; an exported graph is inspected before it is loaded."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    inputs = [info("input_ids", TensorProto.INT64, "b", "t"), info("attention_mask", TensorProto.INT64, "b", "t")]
    outputs = [info("states", TensorProto.FLOAT, "b", "t", WIDTH)]
    graph = save(folder / "padded.onnx", nodes, inputs, outputs, [numpy_helper.from_array(TABLE, "table")])
    spec = spec_of("padded", EncoderOutput("last_hidden_state", "token", WIDTH), vocabulary=WORDS)
    return inspected(EncoderFiles(graph, spec, folder / "padded", sources={"last_hidden_state": ("states",)}))


def image_files(folder: Path) -> EncoderFiles:
    """The logits are the means of the channels."""
    nodes = [helper.make_node("ReduceMean", ["pixel_values"], ["means"], axes=[2, 3], keepdims=0)]
    inputs = [info("pixel_values", TensorProto.FLOAT, "b", 3, 2, 2)]
    graph = save(folder / "images.onnx", nodes, inputs, [info("means", TensorProto.FLOAT, "b", 3)])
    spec = spec_of("images", EncoderOutput("logits", "item", 3), channels=3, height=2, width=2)
    return inspected(EncoderFiles(graph, spec, folder / "images", sources={"logits": ("means",)}))


def inspected(files: EncoderFiles) -> EncoderFiles:
    ports = find_backend("onnxruntime").inspect(LoadRequest(files, ()))
    return EncoderFiles(files.graph, files.spec, files.prepared_in, ports, files.sources)


def text(seed: int, output: str = "embedding") -> TextTokens:
    return TextTokens(np.arange(seed, seed + 1 + seed % 5) % WORDS, (output,))


def image(seed: int) -> ImagePixels:
    return ImagePixels(
        np.full((3, 2, 2), seed, np.float32) * np.arange(1, 4, dtype=np.float32)[:, None, None], ("logits",), 1
    )


def check_encoded(item: Any, result: Any) -> None:
    assert isinstance(result, dict), result
    if isinstance(item, ImagePixels):
        expected = {"logits": item.pixels.mean(axis=(1, 2))}
    elif item.outputs == ("embedding",):
        expected = {"embedding": TABLE[item.input_ids[0]]}
    else:
        expected = {"last_hidden_state": TABLE[item.input_ids]}
    assert result.keys() == expected.keys()
    for name, array in expected.items():
        assert result[name].dtype == np.float32
        assert np.allclose(array, result[name], atol=1e-6)


LOADED: list[Instances[Any]] = []
"""Those that no test has closed yet: `close_all` does."""


def close_all() -> None:
    while LOADED:
        LOADED.pop().close()


@dataclass(frozen=True)
class Kind:
    """A kind of model on a backend."""

    backend: str
    files: Callable[[Path], TensorFiles | EncoderFiles | EncoderPair]
    item: Callable[[int], Any]
    """The n-th item that runs; all differ."""
    bad: Callable[[], Any]
    """One that cannot."""
    check: Callable[[Any, Any], None]
    has_wide: bool
    """There is a wide instance where one is wanted and there are cores for it."""

    def load(self, folder: Path, *names: str, wide_threads: int = 2) -> Instances[Any]:
        loaded = find_backend(self.backend).load(LoadRequest(self.files(folder), names, wide_threads=wide_threads))
        LOADED.append(loaded)
        return loaded


def tensor_item(seed: int) -> InferRequest:
    return case(1 + seed % 3, seed)


def no_input() -> InferRequest:
    request = case(1, 0, ["x_out"])
    del request.inputs["x"]
    return request


def too_long() -> TextTokens:
    return TextTokens(np.arange(21), ("embedding",))


def too_large() -> ImagePixels:
    return ImagePixels(np.zeros((3, 4, 4), np.float32), ("logits",), 1)


def stream_files(backend: str, inputs: dict[str, str], outputs: dict[str, str], folder: Path) -> TensorFiles:
    """A model whose tensors are declared by their datatypes; all that vary in length are inputs beside `WAIT`."""
    document = prepare(
        {
            "backend": backend,
            "input": [
                {"name": name, "data_type": kind, "dims": [1 if name == "WAIT" or len(inputs) == 1 else -1]}
                for name, kind in inputs.items()
            ],
            "output": [{"name": name, "data_type": kind, "dims": [1]} for name, kind in outputs.items()],
            "model_transaction_policy": {"decoupled": True},
        },
        "m",
    )
    return TensorFiles(finish(document), "2", folder, folder)


REPEAT = (
    {"IN": "TYPE_INT32", "DELAY": "TYPE_UINT32", "WAIT": "TYPE_UINT32"},
    {"OUT": "TYPE_INT32", "IDX": "TYPE_UINT32"},
)
SQUARE = ({"IN": "TYPE_INT32"}, {"OUT": "TYPE_INT32"})


def repeated(values: Sequence[int], delays_ms: Sequence[int] = (), wait_ms: int = 0) -> InferRequest:
    """A request to a repeat model; delays_ms: 0 each where none are given."""
    arrays = {
        "IN": np.array(values, np.int32),
        "DELAY": np.array(delays_ms or [0] * len(values), np.uint32),
        "WAIT": np.array([wait_ms], np.uint32),
    }
    return InferRequest("m", id="r", inputs={name: Tensor.of(name, array) for name, array in arrays.items()})


def squared(count: int) -> InferRequest:
    return InferRequest("m", id="r", inputs={"IN": Tensor.of("IN", np.array([count], np.int32))})


def check_stream(request: InferRequest, answers: Any) -> None:
    """Every value with its number, or every time the same."""
    assert {(one.model_name, one.model_version, one.id) for one in answers} <= {("m", "2", "r")}
    told = [[tensor.data.tolist() for tensor in one.outputs] for one in answers]
    values = request.inputs["IN"].data.tolist()
    if "DELAY" in request.inputs:
        assert told == [[[value], [index]] for index, value in enumerate(values)]
    else:
        assert told == [[values]] * values[0]


def run(instance: Any, *items: Any, batch: Batch[Any] | None = None) -> list[Any]:
    """One result for each item; of a streaming instance the list of its results, or the error that comes first."""
    batch = batch or Batch(items)
    if not hasattr(instance, "capacity"):
        return list(instance.execute(batch))
    told: list[list[Any]] = [[] for _ in batch.items]
    ended: list[int] = []

    def send(number: int, result: Any, is_final: bool) -> bool:
        assert number not in ended
        if result is not None:
            told[number].append(result)
        if is_final:
            ended.append(number)
        return True

    instance.execute(batch, send)
    assert sorted(ended) == list(range(len(batch.items)))
    return [one[0] if one and isinstance(one[0], NaiadError) else one for one in told]


def summed_files(backend: str, controls: dict[str, str], folder: Path) -> TensorFiles:
    """A model that adds up; controls: field that gives each its values or its type."""
    vector = {"data_type": "TYPE_INT32", "dims": [1]}
    given = [
        {
            "name": name,
            "control": [
                {"kind": f"CONTROL_SEQUENCE_{name}", "data_type": kind}
                if kind.startswith("TYPE")
                else {"kind": f"CONTROL_SEQUENCE_{name}", kind: [0, 1]}
            ],
        }
        for name, kind in controls.items()
    ]
    document = prepare(
        {
            "backend": backend,
            "max_batch_size": 8,
            "input": [{"name": "INPUT", **vector}],
            "output": [{"name": "OUTPUT", **vector}],
            "sequence_batching": {"control_input": given},
        },
        "m",
    )
    return TensorFiles(finish(document), "2", folder, folder)


SUM = {"START": "int32_false_true", "READY": "int32_false_true"}
SUMS_BY_ID = {**SUM, "END": "int32_false_true", "CORRID": "TYPE_UINT64"}


def step(seed: int) -> InferRequest:
    """The only step of a sequence, for either of the two that add up."""
    arrays = {name: np.ones((1, 1), np.int32) for name in ("START", "READY")}
    arrays |= {"INPUT": np.full((1, 1), seed, np.int32), "END": np.zeros((1, 1), np.int32)}
    arrays["CORRID"] = np.full((1, 1), seed + 1, np.uint64)
    return InferRequest("m", id="r", inputs={name: Tensor.of(name, array) for name, array in arrays.items()})


def no_controls() -> InferRequest:
    request = step(1)
    del request.inputs["START"]
    return request


def check_sum(request: InferRequest, response: object) -> None:
    assert isinstance(response, InferResponse), response
    assert [tensor.data.tolist() for tensor in response.outputs] == [request.inputs["INPUT"].data.tolist()]


def stated_files(folder: Path) -> TensorFiles:
    """A model that adds its state to its input, told by TEST_CASE 1, and leaves the state as it is."""
    number = {"data_type": "TYPE_INT32", "dims": [1]}
    controls = [
        {"name": name, "control": [{"kind": f"CONTROL_SEQUENCE_{name}", "int32_false_true": [0, 1]}]}
        for name in ("START", "END", "READY")
    ]
    document = prepare(
        {
            "backend": "implicit_state",
            "input": [{"name": name, **number} for name in ("INPUT", "TEST_CASE")],
            "output": [{"name": "OUTPUT", **number}],
            "sequence_batching": {
                "control_input": controls,
                "state": [{"input_name": "INPUT_STATE", "output_name": "OUTPUT_STATE", **number}],
            },
        },
        "m",
    )
    return TensorFiles(finish(document), "2", folder, folder)


def stated(seed: int) -> InferRequest:
    values = {"INPUT": seed, "TEST_CASE": 1, "INPUT_STATE": 0, "START": 1, "END": 0, "READY": 1}
    inputs = {name: Tensor.of(name, np.array([value], np.int32)) for name, value in values.items()}
    return InferRequest("m", id="r", inputs=inputs)


def undefined_state() -> InferRequest:
    request = stated(1)
    request.inputs["TEST_CASE"].data[0] = 0
    return request


def iterated_files(folder: Path) -> TensorFiles:
    number = {"data_type": "TYPE_INT32", "dims": [1]}
    document = prepare(
        {
            "backend": "iterative_sequence",
            "input": [{"name": "INPUT", **number}],
            "output": [{"name": "OUTPUT", **number}],
            "model_transaction_policy": {"decoupled": True},
            "sequence_batching": {"iterative_sequence": True},
        },
        "m",
    )
    return TensorFiles(finish(document), "2", folder, folder)


def iterated(seed: int) -> InferRequest:
    inputs = {"INPUT": Tensor.of("INPUT", np.array([seed % 3 + 1], np.int32))}
    return InferRequest("m", id="r", inputs=inputs, sequence=SequenceStep(seed + 1, True))


def check_run(request: InferRequest, results: Any) -> None:
    """One answer for a run, and the request back unless it was the last."""
    first, *others = results
    left = int(request.inputs["INPUT"].data.item()) - 1
    assert first.outputs[0].data.tolist() == [left]
    assert [type(one) for one in others] == ([Rescheduled] if left else [])


KINDS = {
    "implicit_state": Kind("implicit_state", stated_files, stated, undefined_state, check_sum, False),
    "iterative_sequence": Kind(
        "iterative_sequence", iterated_files, iterated, lambda: InferRequest("m"), check_run, False
    ),
    "sequence": Kind("sequence", lambda at: summed_files("sequence", SUM, at), step, no_controls, check_sum, False),
    "dyna_sequence": Kind(
        "dyna_sequence", lambda at: summed_files("dyna_sequence", SUMS_BY_ID, at), step, no_controls, check_sum, False
    ),
    "identity": Kind("identity", lambda at: tensor_files("identity", at), tensor_item, no_input, check, False),
    "tensors": Kind("onnxruntime", lambda at: tensor_files("onnxruntime", at), tensor_item, no_input, check, True),
    "python": Kind("python", lambda at: tensor_files("python", at), tensor_item, no_input, check, False),
    "packed": Kind("onnxruntime", packed_files, text, too_long, check_encoded, True),
    "padded": Kind(
        "onnxruntime", padded_files, lambda seed: text(seed, "last_hidden_state"), too_long, check_encoded, True
    ),
    "images": Kind("onnxruntime", image_files, image, too_large, check_encoded, True),
    "repeat": Kind(
        "repeat",
        lambda at: stream_files("repeat", *REPEAT, at),
        lambda seed: repeated(range(seed % 4)),
        lambda: repeated([1], [0, 0]),
        check_stream,
        False,
    ),
    "square": Kind(
        "square",
        lambda at: stream_files("square", *SQUARE, at),
        lambda seed: squared(seed % 4),
        lambda: squared(-1),
        check_stream,
        False,
    ),
    "pair": Kind(
        "onnxruntime",
        lambda at: EncoderPair(packed_files(at), image_files(at)),
        lambda seed: text(seed) if seed % 2 else image(seed),
        too_large,
        check_encoded,
        True,
    ),
}
