"""`naiad convert-model`: transformer-deploy's flags, understood or refused with the reason; what comes out serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from naiad import Client
from naiad.testing import running_server
from naiad.testing.checkpoints import tiny_checkpoint

NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]


def convert_model(*arguments: object) -> subprocess.CompletedProcess[str]:
    call = [*NAIAD, "convert-model", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--backend", "tensorrt", "onnx"), 1, "TensorRT engines are tied to one GPU"),
        (("--backend", "openvino"), 1, "--backend openvino is not known"),
        (("--device", "cuda"), 1, "--device cuda"),
        (("--task", "text-generation"), 1, "text generation models cannot be converted yet"),
        (("--auth-token", "secret"), 1, "HF_TOKEN"),
        (("--tokenizer", "other"), 1, "its own tokenizer"),
        (("--batch-size", "1", "0", "1"), 1, "at least 1"),
        (("--nb-measures", "0"), 1, "--nb-measures must be at least 1"),
        (("--name", "a/b"), 1, "a/b"),
        (("--frobnicate",), 2, "No such option"),
        (("--task", "translation"), 2, "translation"),
    ],
)
def test_refused(tmp_path: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = convert_model("-m", tiny_checkpoint(tmp_path / "source"), "-o", tmp_path / "out", *arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.torch
def test_a_repository_and_a_table(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
    pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    options = ("--task", "embedding", "-b", 1, 2, 4, "-s", 8, 16, 16, "--nb-measures", 5, "--warmup", 1)
    done = convert_model("-m", source, "-o", out, *options, "--nb-instances", 2, "--atol", 0.001)
    assert done.returncode == 0, done.stderr
    assert "[Pytorch (FP32)] mean=" in done.stdout
    assert done.stdout.count("[ONNX Runtime (FP32)] mean=") == 4
    assert "transformer_onnx_inference need transformers in the Python of the server" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "transformer_onnx_inference", "transformer_onnx_model", "transformer_onnx_tokenize",
    ]  # fmt: skip
    compile((out / "transformer_onnx_tokenize" / "1" / "model.py").read_text(), "model.py", "exec")
    ids = np.array([[2, 20, 30, 3], [2, 21, 3, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    with running_server(str(out), f"m={source}") as running, Client(running.url) as client:
        expected = client.model("m.tensors").infer(inputs).embedding
        narrow = {name: array.astype(np.int32) for name, array in inputs.items()}
        model = client.model("transformer_onnx_model")
        actual = model.infer({**narrow, "token_type_ids": np.zeros_like(ids, np.int32)}).output
        assert model.config()["instance_group"][0]["count"] == 2
        texts = {"TEXT": ["hello world", "good"]}
        told = client.model("transformer_onnx_inference").infer(texts).output
        alone = client.model("m").infer({"text": texts["TEXT"]}).embedding
    assert np.abs(told - alone).max() <= 1e-5
    assert np.abs(actual - expected).max() <= 1e-5


def test_without_torch_the_install_is_named(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['torch'] = None; from naiad.cli.main import main; main()"
    source = tiny_checkpoint(tmp_path / "source")
    call = [sys.executable, "-c", blocked, "convert-model", "-m", source, "-o", tmp_path / "out", "--task", "embedding"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'naiad[torch]'" in done.stderr
