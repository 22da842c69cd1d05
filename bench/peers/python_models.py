"""The same model.py files on Naiad and on Triton, with the same configurations: what `bench/apps/python_*.py` are.

`simple`, the ONNX model that `bls` asks, runs in ONNX Runtime on both sides: on Naiad's backend, and on Triton, whose
wheel has no such backend, in a Python model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from contender import APPS, Files, Setting
from peers.naiad import Naiad
from peers.triton import Triton
from server_process import Launch

SMALL, LARGE, BLS, TARGET = "add_sub", "add_sub_large", "bls", "simple"
ELEMENTS = {LARGE: 3 * 224 * 224}
"""Of each of the two inputs and outputs, where there are more than 16."""
APPLICATIONS = {SMALL: "python_add_sub.py", LARGE: "python_add_sub.py", BLS: "python_bls.py"}
CONFIG = """name: "{name}"
{runtime}
max_batch_size: 8
input [ {inputs} ]
output [ {outputs} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
dynamic_batching {{ }}
"""


class NaiadModels(Naiad):
    """Naiad with all of them."""

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:  # noqa: ARG002 - as the other contenders
        repository = files.folder / "python-models" / "naiad"
        write(repository, files, 'platform: "onnxruntime_onnx"')
        return self.serve([str(repository), *self._options], f"/v2/models/{job}/ready", files)


class TritonModels(Triton):
    """Triton with all of them."""

    def repository(self, job: str, setting: Setting, files: Files) -> Path:  # noqa: ARG002 - as the other contenders
        repository = files.folder / "python-models" / "triton"
        write(repository, files, 'backend: "python"', "python_onnx.py")
        return repository


def write(repository: Path, files: Files, runtime: str, target: str = "") -> None:
    """Write the repository. runtime: of `simple`, whose model.py is `target`, if it has one."""
    for name, application in APPLICATIONS.items():
        _write(repository, name, 'backend: "python"', application)
    folder = _write(repository, TARGET, runtime, target)
    shutil.copy(files.repository / TARGET / "1" / "model.onnx", folder / "model.onnx")


def write_small(repository: Path, name: str) -> None:
    """Write `add_sub` under another name."""
    _write(repository, name, 'backend: "python"', APPLICATIONS[SMALL])


def _write(repository: Path, name: str, runtime: str, application: str) -> Path:
    folder = repository / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{side.lower()}s": ", ".join(
            f'{{ name: "{side}{index}" data_type: TYPE_INT32 dims: [ {ELEMENTS.get(name, 16)} ] }}' for index in (0, 1)
        )
        for side in ("INPUT", "OUTPUT")
    }
    (folder.parent / "config.pbtxt").write_text(CONFIG.format(name=name, runtime=runtime, **tensors))
    if application:
        shutil.copy(APPS / application, folder / "model.py")
    return folder
