"""Real checkpoints, served, answer as their own libraries do: what random weights cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (make test-torch)")

from asking.faults import Questions, answer_faults
from asking.tasks.embedding import Embedding
from asking.tasks.entities import Entities
from making.words import minilm_folder
from weights.packages import mpnet_folder, rampart_folder

from naiad.testing import running_server

pytestmark = [pytest.mark.torch, pytest.mark.weights, pytest.mark.filterwarnings("ignore")]


def faults_of(folder: Path, theirs: Any, longest: int) -> Sequence[str]:
    with running_server(f"m={folder}") as server:
        assert server.all_loaded
        return list(answer_faults(server, theirs, Questions.texts(longest)))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))


def test_minilm() -> None:
    folder = minilm_folder()
    if folder is None:
        pytest.skip("no MiniLM here; make setup-model installs it")
    assert faults_of(folder, Embedding(folder), 256) == []


def test_all_mpnet_base(tmp_path: Path) -> None:
    folder = mpnet_folder(tmp_path / "model")
    assert faults_of(folder, Embedding(folder), 384) == []
    (folder / "model.safetensors").unlink()


class OnnxEntities(Entities):
    """transformers' pipeline around the ONNX file's own logits."""

    def __init__(self, folder: Path, file: str) -> None:
        import onnxruntime
        import torch
        from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline
        from transformers.modeling_outputs import TokenClassifierOutput

        session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
        names = [port.name for port in session.get_inputs()]

        def forward(**given: Any) -> Any:
            (logits,) = session.run(None, {name: given[name].numpy() for name in names})
            return TokenClassifierOutput(logits=torch.tensor(logits))

        self.tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=512)
        self.torch_model = AutoModelForTokenClassification.from_config(AutoConfig.from_pretrained(folder))
        self.torch_model.forward = forward
        self._pipeline = pipeline(
            "token-classification", model=self.torch_model, tokenizer=self.tokenizer, device="cpu"
        )
        self._strategies = ("none", "simple", "first")


def test_an_onnx_file_with_weights_of_four_bits(tmp_path: Path) -> None:
    folder = rampart_folder(tmp_path / "model")
    theirs = OnnxEntities(folder, "onnx/model_q4.onnx")
    found = theirs.expected("My name is Sarah Connor, I live at 12 Baker Street in London, sarah@example.com.")
    assert {"GIVEN_NAME", "SURNAME", "CITY", "EMAIL"} <= {one["entity_group"] for one in found[1]}
    assert faults_of(folder, theirs, 512) == []
