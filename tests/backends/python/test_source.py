"""Code that is replaced by other code of the same size and second of change is read, in each file of a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from naiad.testing import running_server

triton = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed (requirements/dev.txt)")

MODEL = """
import json
import numpy as np
import triton_python_backend_utils as pb_utils
import beside
from .relative import VALUE

class TritonPythonModel:
    def execute(self, requests):
        values = np.array([[{number}, beside.VALUE, VALUE]], np.int32)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", values)]) for _ in requests]
"""

CONFIG = """
backend: "python"
max_batch_size: 1
input [ { name: "x" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_INT32 dims: [ 3 ] } ]
"""


def write(folder: Path, number: int) -> None:
    version = folder / "m" / "1"
    version.mkdir(parents=True, exist_ok=True)
    (folder / "m" / "config.pbtxt").write_text(CONFIG)
    (version / "model.py").write_text(MODEL.format(number=number))
    (version / "beside.py").write_text(f"VALUE = {number}\n")
    (version / "relative.py").write_text(f"VALUE = {number}\n")
    for path in version.glob("*.py"):
        os.utime(path, ns=(10**18, 10**18 + number))


def test_every_file_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, 1)
    options = {"model_control_mode": "explicit", "load_model": ("m",)}
    with running_server(str(tmp_path), **options) as running, triton.InferenceServerClient(running.address) as client:
        given = triton.InferInput("x", [1, 1], "INT32")
        given.set_data_from_numpy(np.zeros((1, 1), np.int32))
        for number in (1, 2):
            write(tmp_path, number)
            client.load_model("m")
            assert client.infer("m", [given]).as_numpy("y").tolist() == [[number] * 3]
    assert not list(tmp_path.rglob("__pycache__"))
