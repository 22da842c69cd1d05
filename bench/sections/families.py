"""Shapes of other families, random weights: what Naiad builds itself against bare ONNX Runtime on torch's own export.

Alone and at 32 clients, over HTTP against in process. The graphs are made once, in an environment with torch.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from contender import APPS, FP32, Files, Setting, v2_request
from drive import post
from environment import ROOT, make_environment
from match import Items, Pace, meet, note, rates_in_words
from peers.naiad import AUTOMATIC, Naiad
from server_process import Launch
from texts import make_texts

sys.path.append(str(APPS))
from images import make_images

SHAPES = ("deberta-v3-small", "modernbert-base", "vit-small")
CONCURRENCIES = (1, 32)
BARE = Path(__file__).parent.parent / "bare_exported.py"
LABELS = 1000


class Family(Naiad):
    """Naiad on one of the checkpoints."""

    def __init__(self, checkpoint: Path, *, takes_images: bool) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._takes_images = takes_images

    def launch(self, job: str, setting: Setting, files: Files) -> Launch:  # noqa: ARG002 — as all contenders
        return self.serve([f"m={self._checkpoint}"], "/v2/models/m/ready", files)

    def request(self, job: str, item: str | bytes) -> bytes:
        return image_request("m", item) if self._takes_images else v2_request("m", job, item, text_shape=[1])

    def read(self, job: str, body: bytes) -> np.ndarray:  # noqa: ARG002 — as all contenders
        answer = json.loads(body)
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        if not self._takes_images:
            return np.array(next(iter(outputs.values())))
        logits = np.zeros(LABELS)
        logits[[int(label.removeprefix("LABEL_")) for label in outputs["labels"]]] = outputs["scores"]
        return logits


def image_request(model: str, file: bytes) -> bytes:
    """One image as a binary tensor, its scores for all classes as JSON."""
    raw = struct.pack("<I", len(file)) + file
    head = json.dumps({
        "inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}],
        "parameters": {"top_k": LABELS, "function_to_apply": "none"},
    }).encode()  # fmt: skip
    return post(f"/v2/models/{model}/infer", head + raw, f"Inference-Header-Content-Length: {len(head)}\r\n")


def measure(pace: Pace, files: Files) -> dict[str, object]:
    """By shape, in each round: the bare policies' rates and Naiad's figures by concurrency."""
    return {shape: measure_shape(shape, replace(pace, seconds=pace.seconds * 3), files) for shape in SHAPES}


def measure_shape(shape: str, pace: Pace, files: Files) -> dict[str, object]:
    """The rounds of one shape."""
    folder = made(shape, files)
    takes_images = (folder / "checkpoint" / "preprocessor_config.json").exists()
    naiad, rounds = Family(folder / "checkpoint", takes_images=takes_images), []
    for number in range(pace.rounds):
        bare = run_bare(folder, pace.seconds / 2)
        items = Items(make_images() if takes_images else make_texts(), np.array(bare.pop("expected")))
        served = meet(naiad, FP32, AUTOMATIC, items, CONCURRENCIES, pace, files)
        rates = ", ".join(f"{name} {rate:.1f}/s" for name, rate in bare["rates"].items())
        note(f"  {shape}, round {number + 1}: Naiad {rates_in_words(served)}; bare: {rates}")
        rounds.append({"bare": bare["rates"], "served": served})
    return {"rounds": rounds}


def made(shape: str, files: Files) -> Path:
    """The folder of a shape's checkpoint and exported graph, made once."""
    folder = files.folder / "families" / shape
    if not (folder / "graph.onnx").exists():
        note(f"  exporting {shape} …")
        files_of = [ROOT / "requirements" / f"{name}.txt" for name in ("dev", "torch", "torch-itself")]
        environment = make_environment("exporter", *files_of)
        python = environment / "bin" / "python"
        maker = APPS / "make_exported.py"
        subprocess.run([str(python), str(maker), shape, str(folder), str(files.tokenizer)], check=True,
                       capture_output=True)  # fmt: skip
    return folder


def run_bare(folder: Path, seconds: float) -> dict:
    """Run bare_exported.py in a process of its own. Raises RuntimeError with its words."""
    argv = [sys.executable, str(BARE), str(folder), "--seconds", str(seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"bare_exported.py {folder.name}: {done.stderr.strip()[-1500:]}")
    return json.loads(done.stdout)
