"""The ONNX Runtime that is built for GPUs, where there is none: what asks for one is refused by name, the rest serves.

It comes without CUDA's libraries, so that a GPU that this machine may have does not matter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "tests" / "data" / "model_repository"
FOUND = [*(ROOT / ".bench" / "env" / "gpu" / "lib").glob("python*/site-packages")]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not FOUND, reason="onnxruntime-gpu is not installed; run `make test-deploy`"),
]


def model(folder: Path, name: str, kind: str) -> None:
    (folder / name / "1").mkdir(parents=True)
    shutil.copy(MODELS / "simple" / "1" / "model.onnx", folder / name / "1")
    config = (MODELS / "simple" / "config.pbtxt").read_text().replace('"simple"', f'"{name}"')
    (folder / name / "config.pbtxt").write_text(f"{config}\ninstance_group {{ kind: {kind} }}\n")


def log_of(folder: Path, *words: str) -> list[str]:
    """What `naiad serve` says until it is ready; then it is stopped."""
    command = [sys.executable, "-c", "from naiad.cli.main import main; main()", "serve", *words]
    command += ["--http-port=0", "--no-allow-grpc", "--no-allow-metrics"]
    environ = {**os.environ, "PYTHONPATH": str(FOUND[0]), "NAIAD_LOG_FORMAT": "json"}
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = []
    with process.stdout:
        for line in process.stdout:
            assert line.startswith("{"), "nothing but the server's own log"
            said.append(str(json.loads(line)["message"]))
            if re.search(r"ready on|nothing is served", line):
                process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, said
    return said


def test_a_model_that_asks_for_a_gpu_is_not_served_on_the_cpu_instead(tmp_path: Path) -> None:
    model(tmp_path / "models", "on_gpu", "KIND_GPU")
    model(tmp_path / "models", "on_cpu", "KIND_CPU")
    model(tmp_path / "models", "on_either", "KIND_AUTO")
    said = log_of(tmp_path, "models")
    [refused] = [line for line in said if line.startswith("failed to load")]
    assert refused.startswith("failed to load 'on_gpu' version 1: ")
    assert "the model asks for GPU 0 (KIND_GPU), which ONNX Runtime cannot use: libcublasLt.so" in refused
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]' brings CUDA's libraries" in refused
    loaded = {line.split("'")[1] for line in said if line.startswith("successfully loaded")}
    assert loaded == {"on_cpu", "on_either"}


def test_a_checkpoint_is_refused_a_gpu_by_name(tmp_path: Path) -> None:
    (tmp_path / "naiad.yaml").write_text("models:\n  - source: org/model\n    device: cuda\n")
    said = log_of(tmp_path)
    assert [
        line
        for line in said
        if "device 'cuda' cannot be used, because this version runs checkpoints on the CPU" in line
    ]
