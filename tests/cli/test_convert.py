"""`naiad convert` as a process, without torch: the folder that comes out, its exit statuses, what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from naiad import Client
from naiad.convert.record import RECORD, read_record
from naiad.repository import ModelEntry
from naiad.repository.manifest.entry import Batching
from naiad.testing import running_server
from naiad.testing.checkpoints import tiny_checkpoint

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from naiad.cli.main import main; main()"
TEXTS = ["hello world", "", "what is the name of the river in the city?", "good"]


def convert(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "convert", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, "NAIAD_CACHE": str((cwd or Path.cwd()) / "cache")} if cwd else None,
    )


def embed(folder: Path) -> np.ndarray:
    # Of a fixed size: what each server would measure for itself joins texts otherwise, which moves the last digit.
    entry = ModelEntry.from_source(f"m={folder}", batching=Batching(max_tokens_per_batch=160))
    with running_server(entry) as running, Client(running.url) as client:
        return np.asarray(client.model("m")(TEXTS).embedding)


def test_a_folder_that_serves_the_same(tmp_path: Path) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    done = convert(source, out)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert "not checked against transformers" in done.stdout
    assert str(out) in done.stdout
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert (out / "1_Pooling" / "config.json").is_file()
    record = read_record(out)
    assert record is not None
    assert (record.task, record.precision, record.by, record.gate) == (
        "feature-extraction", "fp32", "builder", "default",
    )  # fmt: skip
    assert "Converted by Naiad" in (out / "README.md").read_text()
    assert str(tmp_path) not in (out / "README.md").read_text() + (out / RECORD).read_text()
    assert np.array_equal(embed(source), embed(out))


def test_int8_is_served_as_int8(tmp_path: Path) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    done = convert(source, out, "--precision", "int8", "--json")
    document = json.loads(done.stdout)
    assert document["precision"] == "int8"
    assert {row["precision"] for row in document["gate"]["outputs"]} == {"fp32", "int8"}
    full, small = embed(source), embed(out)
    assert not np.array_equal(full, small)
    assert (full * small).sum(axis=1).min() > 0.99


def test_fp16_halves_the_weights(tmp_path: Path) -> None:
    source, out = tiny_checkpoint(tmp_path / "source"), tmp_path / "out"
    assert convert(source, out, "--precision", "fp16").returncode == 0
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (source, out)]
    assert sizes[1] < 0.6 * sizes[0]
    assert np.abs(embed(source) - embed(out)).max() < 1e-2


def test_the_task_that_was_asked_for_is_served(tmp_path: Path) -> None:
    source = tiny_checkpoint(
        tmp_path / "source", head="sequence-classification", labels=("contradiction", "entailment", "neutral")
    )
    out = tmp_path / "out"
    assert convert(source, out, "--task", "zero-shot-classification").returncode == 0
    with running_server(f"m={out}") as running, Client(running.url) as client:
        config = client.model("m").config()
    assert config["parameters"]["task"]["string_value"] == "zero-shot-classification"


def test_the_gate_can_be_off_and_the_folder_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(tiny_checkpoint(tmp_path / "source"), out, "--gate", "off").returncode == 0
    record = read_record(out)
    assert record is not None
    assert record.gate == "off"
    assert "not checked" in (out / "README.md").read_text()


def test_texts_of_ones_own(tmp_path: Path) -> None:
    data = tmp_path / "texts.txt"
    data.write_text("hello\nworld\n")
    done = convert(tiny_checkpoint(tmp_path / "source"), tmp_path / "out", "--data", data, "--json")
    assert json.loads(done.stdout)["gate"]["inputs"] == 4  # theirs, the empty and the longest


def test_without_out_the_cache_is_filled(tmp_path: Path) -> None:
    source = tiny_checkpoint(tmp_path / "source")
    done = convert(source, "--precision", "int8", cwd=tmp_path)
    assert done.returncode == 0
    (folder,) = (source / ".naiad").iterdir()
    assert folder.name.startswith(("embedding-int8", "embedding-uint8"))  # whichever this processor is faster with


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        ("full", (), "already exists"),
        ("bert", ("--precision", "int4"), "int4 is not available for bert.*fp32, fp16, int8"),
        ("bert", ("--task", "text-clasification"), "text-classification"),
        ("bert", ("--task", "token-classification"), "classifier"),
        ("convbert", (), r"'convbert'.*pip install 'naiad\[torch\]'"),
        ("saved", (), "TensorFlow SavedModel"),
        ("triton", (), "Triton model"),
        ("gguf", (), "GGUF"),
        ("empty", (), "no config.json"),
        ("pickle", (), "never loaded"),
        ("onnx", (), "already holds an ONNX file"),
    ],
)
def test_refused_with_the_reason(tmp_path: Path, make: str, arguments: tuple[str, ...], message: str) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    tiny_checkpoint(source)
    if make == "full":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    elif make == "convbert":
        config = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps({**config, "model_type": "convbert"}))
    elif make == "onnx":
        (source / "model.safetensors").rename(source / "model.onnx")
    elif make == "pickle":
        (source / "model.safetensors").rename(source / "pytorch_model.bin")
    elif make in ("saved", "triton", "gguf", "empty"):
        for path in source.glob("*.json"):
            path.unlink()
        name = {"saved": "saved_model.pb", "triton": "config.pbtxt", "gguf": "model.gguf", "empty": "a.txt"}[make]
        (source / name).write_text("")
    done = convert(source, out, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr.replace("\n", " ")), done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))] == ["out"] * (
        make == "full"
    )


@pytest.mark.parametrize("suffix", [".pt", ".joblib", ".gguf", ".onnx"])
def test_files_are_refused_by_what_they_are(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_bytes(b"x")
    done = convert(file, tmp_path / "out")
    assert done.returncode == 1
    assert "needs a Hugging Face checkpoint" in done.stderr
