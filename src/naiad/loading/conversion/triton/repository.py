"""NAME_onnx_model, NAME_onnx_tokenize and NAME_onnx_inference, with dynamic batching on.

The first is a plain ONNX model, the second a model of Triton's Python backend, which needs transformers in that server,
the third an ensemble of both. Naiad serves them too, and texts from the checkpoint itself, which is faster.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from naiad.convert.encoder.sentence import plain_pooling, refuse_modules
from naiad.convert.export.models import TEXT
from naiad.convert.rewriting.graph_file import read_graph, write_graph
from naiad.convert.rewriting.triton_names import Pooling, finish_graph
from naiad.core.errors import Unsupported
from naiad.loading.conversion.course import Outcome, Request
from naiad.loading.conversion.folder import copy_checkpoint
from naiad.loading.conversion.triton.texts import TextSettings, default_prompt, describe_serving, keep_first
from naiad.loading.conversion.triton.tokenize_step import MODEL
from naiad.repository.names import check_model_name

MAX_BATCH_SIZE = 64

_TYPES = {1: "TYPE_FP32", 6: "TYPE_INT32", 7: "TYPE_INT64"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the repository is made."""

    name: str
    max_batch_size: int = MAX_BATCH_SIZE
    instances: int = 1
    threads: int = 0
    """Threads of one run; 0: the server's choice."""

    def __post_init__(self) -> None:
        check_model_name(self.name)

    @property
    def model(self) -> str:
        """The model itself."""
        return f"{self.name}_onnx_model"

    @property
    def tokenize(self) -> str:
        """Texts to token ids."""
        return f"{self.name}_onnx_tokenize"

    @property
    def inference(self) -> str:
        """One after the other."""
        return f"{self.name}_onnx_inference"


def advice(layout: Layout, out: str) -> list[str]:
    """Return lines that say which server serves which of the models."""
    return [
        f"`naiad serve {out}` and NVIDIA's Triton serve {layout.model} (token ids in, numbers out).",
        f"{layout.tokenize} and {layout.inference} need transformers in the Python of the server:",
        "pip install transformers.",
        "For texts in and answers out, Naiad serves the checkpoint itself, faster and without it: naiad serve SOURCE.",
    ]


def write_repository(request: Request, outcome: Outcome, layout: Layout, folder: Path) -> None:
    """Write the models into `folder`. Raises Unsupported for a pooling that the graph does not do."""
    model = read_graph(outcome.graph)
    finish_graph(model, pooling_of(request))
    reads_texts = request.subject.kind == TEXT
    serving = describe_serving(request.subject, outcome) if reads_texts else None
    if serving and serving.width:
        keep_first(model.graph, serving.width)
    _write_model(model, layout, folder, batches=outcome.report.rows_are_independent)
    if serving:
        inputs, outputs = ([_tensor(one, False) for one in side] for side in (model.graph.input, model.graph.output))
        _write_tokenizer(request, serving.texts, layout, inputs, folder)
        _write_ensemble(layout, inputs, outputs, folder)


def pooling_of(request: Request) -> Pooling | None:
    """What stands behind the body; None for heads with scores, and for bodies alone.

    Raises Unsupported for what the graph does not do: other modules, and pooling that leaves out the prompt.
    """
    subject = request.subject
    checkpoint = subject.checkpoint
    if subject.head == "sequence-classification":
        refuse_modules(checkpoint)
    if subject.head != "embedding" or not checkpoint.modules:
        return None
    pooling, normalize = plain_pooling(checkpoint)
    if not pooling.include_prompt and (prompt := default_prompt(subject)):
        raise Unsupported(
            f"{checkpoint.folder}: pooling leaves out the tokens of the default prompt {prompt!r} (include_prompt is "
            "false), but the graph of a Triton repository pools all tokens; leave --format out, or take "
            "default_prompt_name out of config_sentence_transformers.json"
        )
    return Pooling("+".join(pooling.modes), normalize)


def _write_model(model: Any, layout: Layout, folder: Path, *, batches: bool) -> None:
    version = folder / layout.model / "1"
    version.mkdir(parents=True)
    inputs = [_tensor(one, True) for one in model.graph.input]
    outputs = [_tensor(one, True) for one in model.graph.output]
    write_graph(model, version / "model.onnx")
    lines = [
        f'name: "{layout.model}"',
        'platform: "onnxruntime_onnx"',
        f"max_batch_size: {layout.max_batch_size}",
        _side("input", inputs),
        _side("output", outputs),
        f"instance_group [ {{ count: {layout.instances} kind: KIND_CPU }} ]",
    ]
    if batches:
        lines.append("dynamic_batching { }")
    if layout.threads:
        value = f'value: {{ string_value: "{layout.threads}" }}'
        lines.append(f'parameters {{ key: "intra_op_thread_count" {value} }}')
    (folder / layout.model / "config.pbtxt").write_text("\n".join(lines) + "\n")


def _write_tokenizer(
    request: Request,
    settings: TextSettings,
    layout: Layout,
    inputs: list[tuple[str, str, list[int]]],
    folder: Path,
) -> None:
    version = folder / layout.tokenize / "1"
    version.mkdir(parents=True)
    _copy_body(request, version)
    settings.write(version)
    (version / "model.py").write_text(MODEL)
    lines = [
        f'name: "{layout.tokenize}"',
        'backend: "python"',
        "max_batch_size: 0",
        'input [ { name: "TEXT" data_type: TYPE_STRING dims: [ -1 ] } ]',
        _side("output", inputs),
        f"instance_group [ {{ count: {layout.instances} kind: KIND_CPU }} ]",
    ]
    (folder / layout.tokenize / "config.pbtxt").write_text("\n".join(lines) + "\n")


def _copy_body(request: Request, into: Path) -> None:
    """Copy the files of the checkpoint's own folder, then those of its body, but no other module's."""
    checkpoint = request.subject.checkpoint
    with TemporaryDirectory(prefix="naiad-tokenizer-") as work:
        whole = Path(work)
        copy_checkpoint(checkpoint.folder, whole, weights=False)
        for part in dict.fromkeys((whole, whole / checkpoint.body.relative_to(checkpoint.folder))):
            for path in part.iterdir():
                if path.is_file():
                    shutil.copyfile(path, into / path.name)


def _write_ensemble(
    layout: Layout,
    inputs: list[tuple[str, str, list[int]]],
    outputs: list[tuple[str, str, list[int]]],
    folder: Path,
) -> None:
    (folder / layout.inference / "1").mkdir(parents=True)
    (folder / layout.inference / "1" / ".keep").touch()  # git and zip forget empty folders, Triton wants this one
    passed = [name for name, _, _ in inputs]
    steps = [
        _step(layout.tokenize, {"TEXT": "TEXT"}, {name: name for name in passed}),
        _step(layout.model, {name: name for name in passed}, {name: name for name, _, _ in outputs}),
    ]
    lines = [
        f'name: "{layout.inference}"',
        'platform: "ensemble"',
        "max_batch_size: 0",
        'input [ { name: "TEXT" data_type: TYPE_STRING dims: [ -1 ] } ]',
        _side("output", outputs),
        "ensemble_scheduling {\n  step [\n" + ",\n".join(steps) + "\n  ]\n}",
    ]
    (folder / layout.inference / "config.pbtxt").write_text("\n".join(lines) + "\n")


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    maps = [f'      input_map {{ key: "{key}" value: "{value}" }}' for key, value in inputs.items()]
    maps += [f'      output_map {{ key: "{key}" value: "{value}" }}' for key, value in outputs.items()]
    return "\n".join([f'    {{\n      model_name: "{model}"\n      model_version: -1', *maps, "    }"])


def _tensor(one: Any, batches: bool) -> tuple[str, str, list[int]]:
    """Name, type and dims of a graph's input or output; without the batch axis where the model batches."""
    kind = one.type.tensor_type
    if kind.elem_type not in _TYPES:
        raise Unsupported(f"the graph's tensor {one.name} has a type that config.pbtxt cannot express")
    dims = [dim.dim_value or -1 for dim in kind.shape.dim]
    return one.name, _TYPES[kind.elem_type], dims[1:] if batches else [-1, *dims[1:]]


def _side(side: str, tensors: list[tuple[str, str, list[int]]]) -> str:
    rows = [
        f'  {{ name: "{name}" data_type: {kind} dims: [ {", ".join(map(str, dims))} ] }}'
        for name, kind, dims in tensors
    ]
    return f"{side} [\n" + ",\n".join(rows) + "\n]"
