"""Models that ask for a GPU, on an ONNX Runtime that has none. One that is built for GPUs: tests/deploy/gpu."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from naiad.backends.onnxruntime import backend, gpu
from naiad.core.errors import LoadFailed
from naiad.testing import RunningServer, running_server

SIMPLE = Path(__file__).parents[2] / "data" / "model_repository" / "simple"


def repository(folder: Path) -> Path:
    """One model, which asks for a GPU."""
    model = folder / "simple"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.onnx").write_bytes((SIMPLE / "1" / "model.onnx").read_bytes())
    config = (SIMPLE / "config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(config + "\ninstance_group { kind: KIND_GPU gpus: [ 1 ] }\n")
    return folder


def reason_of(server: RunningServer) -> str:
    [row] = server.server.catalog.index()
    return str(row["reason"])


def test_where_the_runtime_knows_no_gpus_the_cpu_is_used_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), running_server(str(repository(tmp_path))) as server:
        assert server.all_loaded
    assert "model 'simple' asks for KIND_GPU; it is served on the CPU" in caplog.text


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_where_it_does_a_gpu_that_cannot_be_used_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allowed or not, the CPU does not take its place: who installed that runtime wants the GPU."""
    monkeypatch.setattr(backend, "has_cuda", lambda: True)
    with running_server(str(repository(tmp_path))) as server:
        assert not server.all_loaded
        reason = reason_of(server)
    assert "simple/1/model.onnx: the model asks for GPU 1 (KIND_GPU), which ONNX Runtime cannot use: " in reason
    assert "ask for KIND_CPU, or install onnxruntime instead of onnxruntime-gpu" in reason


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_a_session_that_fell_back_to_the_cpu_is_not_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LoadFailed, match="asks for GPU 0"):
        gpu.open_on_gpu(0, SIMPLE / "1" / "model.onnx")
    assert capsys.readouterr().out == "", "the runtime's own words stay off stdout, which is the server's"
