"""Families that only torch can export: served with it after a check, found in the cache without it, else refused."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from naiad import Client
from naiad.convert.export import process
from naiad.core.errors import NaiadError
from naiad.loading.conversion import cached
from naiad.testing import running_server
from naiad.testing.checkpoints import tiny_checkpoint

torch = pytest.importorskip("torch", reason="torch is not installed (make test-torch)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (make test-torch)")

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}


def save(folder: Path, name: str, head: str, **changes: Any) -> Any:
    """Save `name` (ConvBert) with a head (ForSequenceClassification) into a folder; gives transformers' model."""
    tiny_checkpoint(folder, head="sequence-classification")
    words = len((folder / "vocab.txt").read_text().split())
    (folder / "model.safetensors").unlink()
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    config = getattr(transformers, f"{name}Config")(vocab_size=words, **{**SIZES, **changes})
    model = getattr(transformers, name + head)(config)
    with torch.no_grad():
        for weight, parameter in model.named_parameters():
            centre = 1.0 if "norm" in weight.lower() and weight.endswith("weight") else 0.0
            parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model.eval()


TEXTS = ["hello world", "the name of the river is good", "what?", "in the city to live is a good movie, and a bad one"]


def expected_scores(model: Any, folder: Path) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS]
    return torch.stack(logits).softmax(dim=-1).numpy()


def served_scores(folder: Path) -> np.ndarray:
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        if not running.all_loaded:
            raise AssertionError([entry.reason for entry in client.index()])
        result = client.model("m")(TEXTS, parameters={"order": "class"})
        return np.asarray(result.scores)


def test_exported_checked_served_and_found_again_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ConvBERT: its answers depend on padding, so a batch would be wrong."""
    folder = tmp_path / "convbert"
    model = save(folder, "ConvBert", "ForSequenceClassification", embedding_size=32)
    expected = expected_scores(model, folder)
    assert np.abs(served_scores(folder) - expected).max() <= 1e-4

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("it was exported already")

    monkeypatch.setattr(cached, "has_torch", lambda: False)
    monkeypatch.setattr(process.subprocess, "Popen", forbidden)
    assert np.abs(served_scores(folder) - expected).max() <= 1e-4


def test_classifiers_that_read_the_end_token_of_a_decoder(tmp_path: Path) -> None:
    """T5, UMT5, PLBart, LED: as many end tokens in each text of a batch, and a pair has two; so they run one by one."""
    folder = tmp_path / "umt5"
    folder.mkdir()
    words = ["<pad>", "</s>", "<unk>", *sorted({word for text in TEXTS for word in text.replace("?", " ?").split()})]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    fast.save_pretrained(folder)
    torch.manual_seed(7)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "num_labels": 3}
    config = transformers.UMT5Config(vocab_size=len(words), decoder_start_token_id=0, **sizes)
    model = transformers.UMT5ForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    inputs = [(text, None) for text in TEXTS] + [(TEXTS[0], TEXTS[1]), (TEXTS[3], TEXTS[2])]
    with torch.no_grad():
        logits = [model(**fast(*pair, return_tensors="pt")).logits[0] for pair in inputs]
    expected = torch.stack(logits).softmax(dim=-1).numpy()
    together = {"text": [one for one, _ in inputs], "text_pair": [other or "" for _, other in inputs]}
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        assert running.all_loaded, [entry.reason for entry in client.index()]
        scores = client.model("m")(**together, parameters={"order": "class"}).scores
    assert np.abs(np.asarray(scores) - expected).max() <= 1e-4


def test_a_body_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """As sentence-transformers wrote it before version 2."""
    folder = tmp_path / "m"
    folder.mkdir()
    body = folder / "0_Transformer"
    model = save(body, "ConvBert", "Model", embedding_size=32)
    rows = [("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")]
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in rows]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    tokenizer = transformers.AutoTokenizer.from_pretrained(body)
    with torch.no_grad():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in TEXTS]
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        assert running.all_loaded, [entry.reason for entry in client.index()]
        embedding = client.model("m")(TEXTS).embedding
    assert np.abs(embedding - torch.stack([state.mean(dim=0) for state in states]).numpy()).max() <= 1e-4


def test_weights_that_transformers_no_longer_knows(tmp_path: Path) -> None:
    """BERT with `position_embedding_type: relative_key`, which transformers 5 loads as if it were absolute."""
    folder = tiny_checkpoint(tmp_path / "m", head="sequence-classification")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "position_embedding_type": "relative_key"}))
    weights = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.0.attention.self.distance_embedding.weight"
    save_file({**weights, name: np.zeros((3, 3), np.float32)}, folder / "model.safetensors", {"format": "pt"})
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        reasons = [entry.reason for entry in client.index() if entry.name == "m"]
    assert "leaves out weights that the model was trained with: " + name in reasons[0]


def test_an_export_that_answers_otherwise_is_not_served(tmp_path: Path) -> None:
    """Longformer: what the exporter can make of it works for the length it was recorded with."""
    folder = tmp_path / "longformer"
    save(folder, "Longformer", "ForSequenceClassification", attention_window=8)
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        assert not running.all_loaded
        reasons = [entry.reason for entry in client.index() if entry.name == "m"]
    assert "longformer" in reasons[0]
    assert "original" in reasons[0] or "does not answer as" in reasons[0]
    assert not list(folder.glob(".naiad/*exported*"))


def test_without_torch_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "convbert"
    save(folder, "ConvBert", "ForSequenceClassification", embedding_size=32)
    monkeypatch.setattr(cached, "has_torch", lambda: False)
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        reasons = [entry.reason for entry in client.index() if entry.name == "m"]
    assert "pip install 'naiad[torch]'" in reasons[0]


def test_a_child_that_dies_costs_one_model_and_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "convbert"
    save(folder, "ConvBert", "ForSequenceClassification", embedding_size=32)
    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\necho cannot go on >&2\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(killer))
    with pytest.raises(NaiadError, match=r"ended by signal SIGKILL; perhaps there is too little memory.*cannot go on"):
        process.TorchProcess(folder, "sequence-classification").__enter__()


def picture(seed: int) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    return Image.fromarray(values).resize((70 + seed, 90), Image.Resampling.BICUBIC)


def test_image_models_that_only_torch_can_export(tmp_path: Path) -> None:
    folder = tmp_path / "resnet"
    torch.manual_seed(3)
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1], "num_labels": 5}
    model = transformers.ResNetForImageClassification(transformers.ResNetConfig(**sizes)).eval()
    model.save_pretrained(folder)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    images = [picture(seed) for seed in range(3)]
    with torch.no_grad():
        logits = [model(**processor(image, return_tensors="pt")).logits[0] for image in images]
    files = []
    for image in images:
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append(file.getvalue())
    with running_server(f"m={folder}") as running, Client(running.url) as client:
        assert running.all_loaded, [entry.reason for entry in client.index()]
        result = client.model("m")(files)
    expected = torch.stack(logits).softmax(dim=-1)
    assert np.abs(np.asarray(result.scores) - expected.sort(dim=-1, descending=True).values.numpy()).max() <= 1e-4
    names = [model.config.id2label[label] for label in expected.argmax(dim=-1).tolist()]
    assert [str(label) for label in result.label] == names


NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]


def test_the_command_fails_with_status_3_and_writes_nothing(tmp_path: Path) -> None:
    folder, out = tmp_path / "longformer", tmp_path / "out"
    save(folder, "Longformer", "ForSequenceClassification", attention_window=8)
    done = subprocess.run([*NAIAD, "convert", folder, out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["longformer"]


def test_an_exported_folder_serves_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "convbert", tmp_path / "out"
    model = save(folder, "ConvBert", "ForSequenceClassification", embedding_size=32)
    done = subprocess.run(
        [*NAIAD, "convert", folder, out, "--precision", "int8-exact"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(out.glob("*.safetensors"))
    monkeypatch.setattr(cached, "has_torch", lambda: False)
    assert np.abs(served_scores(out) - expected_scores(model, folder)).max() <= 0.05


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    folder, out = tmp_path / "convbert", tmp_path / "out"
    save(folder, "ConvBert", "ForSequenceClassification", embedding_size=32)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [*NAIAD, "convert", folder, out], stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(scratch)}
    )
    assert child.stderr is not None
    with child:
        assert any("loading torch" in line for line in child.stderr)
        child.send_signal(signal.SIGTERM)
        child.stderr.read()
    assert child.returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["convbert", "scratch"]
    assert list(scratch.iterdir()) == []
