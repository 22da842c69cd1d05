"""Bare ONNX Runtime on a graph of torch's exporter, in one process, without a server: the yardstick of `families`.

Prints one line of JSON: what was answered to the first items, and items per second of every policy that a program
without a length-aware batcher has. Tokenising, and decoding images, are included, as the server does both.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from bare import CORES, in_threads
from texts import make_texts

sys.path.append(str(Path(__file__).with_name("apps")))
from images import make_images

KEPT = 16
"""Answers that the server's are compared with."""

MAX_TOKENS = 256


class Texts:
    """Texts to mean-pooled last hidden states."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "checkpoint" / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.items: Sequence[object] = make_texts()

    def run(self, session: onnxruntime.InferenceSession, texts: Sequence[str]) -> np.ndarray:
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        states = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        weights = mask[:, :, None].astype(np.float32)
        return (states * weights).sum(axis=1) / weights.sum(axis=1)


class Images:
    """JPEG files to logits."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "checkpoint" / "preprocessor_config.json").read_text())
        self._size = (settings["size"]["width"], settings["size"]["height"])
        self._resample = settings["resample"]
        self.items: Sequence[object] = make_images()

    def run(self, session: onnxruntime.InferenceSession, files: Sequence[bytes]) -> np.ndarray:
        from PIL import Image

        pixels = []
        for file in files:
            image = Image.open(io.BytesIO(file)).convert("RGB").resize(self._size, self._resample)
            pixels.append((np.asarray(image, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5)
        return session.run(None, {"pixel_values": np.stack(pixels)})[0]


def open_session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def rate(run: Callable[[Sequence[object]], object], items: Sequence[object], seconds: float) -> float:
    """Items per second: as many pieces of 64 as fit, after one to warm up."""
    run(items[:16])
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        piece = [items[(done + i) % len(items)] for i in range(64)]
        run(piece)
        done += len(piece)
    return done / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    graph = options.folder / "graph.onnx"
    kind = Images(options.folder) if (options.folder / "checkpoint" / "preprocessor_config.json").exists() else None
    kind = kind or Texts(options.folder)
    wide, narrow = open_session(graph, CORES), open_session(graph, 1)

    def batches(session: onnxruntime.InferenceSession, size: int, workers: int) -> Callable[[Sequence[object]], None]:
        def run(items: Sequence[object]) -> None:
            pieces = [items[at : at + size] for at in range(0, len(items), size)]
            in_threads(lambda piece: kind.run(session, piece), pieces, workers)

        return run

    expected = [kind.run(wide, [item])[0].tolist() for item in kind.items[:KEPT]]
    policies = {
        "one by one, one session, two threads": batches(wide, 1, 1),
        "one by one, two sessions, one thread each": batches(narrow, 1, CORES),
        "arrival order, 8, two sessions, one thread each": batches(narrow, 8, CORES),
        "arrival order, 32, one session, two threads": batches(wide, 32, 1),
    }
    rates = {name: rate(run, kind.items, options.seconds) for name, run in policies.items()}
    print(json.dumps({"expected": expected, "rates": rates}))


if __name__ == "__main__":
    main()
