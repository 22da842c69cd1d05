"""The models that both servers serve.

Their configurations are the same; Triton's Python backend computes the answers there, ONNX Runtime or our identity
backend here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PYTHON_MODELS = Path(__file__).parents[1] / "python_models"
REPOSITORY = Path(__file__).parents[2] / "data" / "model_repository"

DATATYPES = {
    "BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64", "INT8": "INT8",
    "INT16": "INT16", "INT32": "INT32", "INT64": "INT64", "FP16": "FP16", "FP32": "FP32", "FP64": "FP64",
    "BYTES": "STRING",
}  # fmt: skip
"""Datatype on the wire → in a configuration. BF16 is left out: the Python backend of 2.51 has no numpy type for it."""

ADD_AND_SUBTRACT = """
import numpy
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        left, right = (triton.get_input_tensor_by_name(request, f"INPUT{n}").as_numpy() for n in (0, 1))
        outputs = [left.astype(int) + right.astype(int), left.astype(int) - right.astype(int)]
        if left.dtype == object:
            outputs = [numpy.array([str(one).encode() for one in made.ravel()], object).reshape(made.shape)
                       for made in outputs]
        else:
            outputs = [made.astype(left.dtype) for made in outputs]
        return triton.InferenceResponse([triton.Tensor(f"OUTPUT{n}", made) for n, made in enumerate(outputs)])
"""

IDENTITY = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        wanted = set(request.requested_output_names())
        return triton.InferenceResponse([
            triton.Tensor("out_" + tensor.name(), tensor.as_numpy())
            for tensor in request.inputs() if "out_" + tensor.name() in wanted
        ])
"""

COPIED = {"simple": "simple", "text": "simple_string"}
"""Name here → folder of tests/data/model_repository."""


ONE_INSTANCE = "instance_group [ { kind: KIND_CPU count: 1 } ]"
"""Said, because the default is not the same for all backends."""


def port(name: str, datatype: str, dims: str, more: str = "") -> str:
    return f'{{ name: "{name}" data_type: TYPE_{DATATYPES[datatype]} dims: [ {dims} ] {more} }}'


def identity(max_batch: int, *ports: tuple[str, str, str], is_optional: bool = False, labels: str = "") -> str:
    """A configuration without its name; ports: name, datatype, dims."""
    more = "optional: true" if is_optional else ""
    label = f'label_filename: "{labels}"' if labels else ""
    inputs = ", ".join(port(*one, more) for one in ports)
    outputs = ", ".join(port(f"out_{name}", datatype, dims, label) for name, datatype, dims in ports)
    head = f'backend: "python"\nmax_batch_size: {max_batch}'
    return f"{head}\ninput [ {inputs} ]\noutput [ {outputs} ]\n{ONE_INSTANCE}\n"


IDENTITIES = {
    "all": identity(0, *((datatype.lower(), datatype, "-1") for datatype in DATATYPES), is_optional=True),
    "rows": identity(8, ("x", "FP32", "-1"), labels="labels.txt"),
    "grid": identity(0, ("x", "INT64", "-1, -1")),
    "raw": identity(8, ("x", "FP32", "2, -1")),
    "raw_text": identity(8, ("x", "BYTES", "1")),
    "raw_texts": identity(0, ("x", "BYTES", "-1")),
    "counted": identity(8, ("x", "INT32", "4")),
}
"""Models whose n-th output is the n-th input. `counted` is only asked by the cases on statistics."""

LABELS = "cat\ndog\nbird\n"


def copy_python_models(folder: Path) -> Path:
    """Copy the Python models below `folder`, as they are."""
    shutil.copytree(PYTHON_MODELS, folder)
    return folder


def write_repository(folder: Path, *, is_triton: bool, has_broken: bool) -> Path:
    """Write all models below `folder`, for one of the two servers.

    has_broken: also one whose configuration cannot be read.
    """
    if has_broken:
        (folder / "broken" / "1").mkdir(parents=True)
        (folder / "broken" / "config.pbtxt").write_text('name: "broken"\nnonsense: 1\n')
    for name, source in COPIED.items():
        shutil.copytree(REPOSITORY / source, folder / name)
        config = folder / name / "config.pbtxt"
        text = config.read_text().replace(f'name: "{source}"', f'name: "{name}"', 1)
        text += f"\n{ONE_INSTANCE}\n"
        if is_triton:
            text = text.replace('platform: "onnxruntime_onnx"', 'backend: "python"')
            (folder / name / "1" / "model.onnx").unlink()
            (folder / name / "1" / "model.py").write_text(ADD_AND_SUBTRACT)
        config.write_text(text)
    for name, text in IDENTITIES.items():
        (folder / name / "1").mkdir(parents=True)
        config_text = f'name: "{name}"\n' + (text if is_triton else text.replace('"python"', '"identity"'))
        (folder / name / "config.pbtxt").write_text(config_text)
        if "labels.txt" in text:
            (folder / name / "labels.txt").write_text(LABELS)
        if is_triton:
            (folder / name / "1" / "model.py").write_text(IDENTITY)
    return folder
