"""The same models for NVIDIA's server (in its Python backend) and for ours, to be loaded and unloaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

ONNX = Path(__file__).parents[1] / "data" / "model_repository" / "simple" / "1" / "model.onnx"

PYTHON_MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [triton.InferenceResponse([]) for _ in requests]
"""

CONFIG = """
name: "{name}"
{backend}
max_batch_size: 8
input {{ name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }}
input {{ name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
output {{ name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] }}
output {{ name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] }}
"""

Write = Callable[..., None]


def writer_for_triton() -> Write:
    """Return `write` for Triton; see `_write`."""
    return lambda *what, **more: _write('backend: "python"', lambda version: _python(version), *what, **more)


def writer_for_naiad() -> Write:
    """Return `write` for ours; see `_write`."""
    backend = 'platform: "onnxruntime_onnx"'
    return lambda *what, **more: _write(backend, lambda version: shutil.copy(ONNX, version), *what, **more)


def _python(version: Path) -> None:
    (version / "model.py").write_text(PYTHON_MODEL)


def _write(
    backend: str, put: Callable[[Path], object], folder: Path, name: str, *versions: int, more: str = "", bad: int = 0
) -> None:
    """Write a model into a repository. bad: a version that cannot be loaded."""
    (folder / name).mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(CONFIG.format(name=name, backend=backend) + more)
    for version in versions:
        (folder / name / str(version)).mkdir()
        put(folder / name / str(version))
    if bad:
        for file in (folder / name / str(bad)).iterdir():
            file.write_text("raise RuntimeError('no model')")
