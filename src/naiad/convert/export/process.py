"""Starting the child that has torch, and talking to it: one call at a time, with progress, and words when it dies."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from naiad.convert.gate.runners import Answers, Sample
from naiad.core.errors import LoadFailed, Unsupported
from naiad.core.tensor import Array

NEEDED = ("torch", "transformers", "onnxscript")
INSTALL = "pip install 'naiad[torch]'"

LONGEST_CALL_S = 3600.0
"""An export of a large model takes minutes; nothing takes longer than this."""

Progress = Callable[[str, int, int], None]
"""Told what is going on, and how much of how much is done (0 of 0: not known)."""


def missing_libraries() -> list[str]:
    """Libraries of the torch extra that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def has_torch() -> bool:
    """Whether the torch extra is installed; nothing is imported."""
    return not missing_libraries()


def silent(sentence: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


class TorchProcess:
    """A child process with one model in it; a context manager that leaves none behind."""

    def __init__(self, folder: Path, head: str, *, pickles: bool = False, progress: Progress = silent) -> None:
        """folder: with config.json. Raises Unsupported without the torch extra."""
        if missing := missing_libraries():
            raise Unsupported(f"this needs torch and transformers ({', '.join(missing)} not installed): {INSTALL}")
        self._load = {"folder": str(folder.resolve()), "head": head, "pickles": pickles}
        self._folder = folder
        self._progress = progress
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.facts: dict[str, Any] = {}
        """What the child says of the model: class, inputs, versions."""

    def __enter__(self) -> Self:
        self._scratch = tempfile.TemporaryDirectory(prefix="naiad-torch-")
        self._log = (Path(self._scratch.name) / "stderr").open("w+b")
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "naiad.convert.export.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # an interrupt at the terminal is ours to handle
        )
        threading.Thread(target=self._read, name="naiad-torch", daemon=True).start()
        try:
            self.facts = self._call("load", **self._load)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def version(self) -> str:
        """Name and version of transformers, for reports."""
        return f"transformers {self.facts['transformers']}"

    def export(self, into: Path, *, opset: int | None = None, size: Sequence[int] = ()) -> dict[str, Any]:
        """Write an ONNX file; size: of images or sound without the batch. Raises LoadFailed with the reason."""
        return self._call("export", into=str(into), opset=opset, size=list(size))

    def answer(self, samples: Sequence[Sample]) -> list[Answers]:
        """The model's answers to each sample, alone."""
        given, into = Path(self._scratch.name) / "samples.npz", Path(self._scratch.name) / "answers.npz"
        write_arrays(given, samples)
        self._call("answer", samples=str(given), into=str(into))
        return read_arrays(into, len(samples))

    def time(
        self, batches: Sequence[Mapping[str, Array]], *, warmup: int, measures: int, most_s: float
    ) -> tuple[list[float], int]:
        """Seconds of each run, for at most so many in all; and the bytes that the child has in memory."""
        given = Path(self._scratch.name) / "feeds.npz"
        write_arrays(given, batches)
        done = self._call("time", feeds=str(given), warmup=warmup, measures=measures, most_s=most_s)
        return done["seconds"], done["resident_bytes"]

    def _call(self, what: str, **arguments: Any) -> dict[str, Any]:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._child.stdin.flush()
        except OSError:
            raise self._died() from None
        while True:
            try:
                line = self._lines.get(timeout=LONGEST_CALL_S)
            except queue.Empty:
                raise LoadFailed(f"{self._folder}: torch did not finish within {LONGEST_CALL_S:.0f} s") from None
            if not line:
                raise self._died()
            answer = json.loads(line)
            if "progress" in answer:
                self._progress(answer["progress"], answer["part"], answer["total"])
            elif "error" in answer:
                raise LoadFailed(f"{self._folder}: {answer['error']}", path=str(self._folder))
            else:
                done: dict[str, Any] = answer["done"]
                return done

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _died(self) -> LoadFailed:
        code = self._child.wait()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        hint = "; perhaps there is too little memory for this model" if code == -signal.SIGKILL else ""
        self._log.seek(0)
        last = self._log.read()[-400:].decode("utf-8", "replace").strip().splitlines()[-1:]
        said = f": {last[0]}" if last else ""
        return LoadFailed(f"{self._folder}: the torch process ended {how}{hint}{said}")

    def _end(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):  # of what it was too late to say
                    pipe.close()
        self._log.close()
        self._scratch.cleanup()


def write_arrays(path: Path, samples: Sequence[Mapping[str, Array]]) -> None:
    """Write arrays as `NUMBER/NAME` in an .npz file."""
    arrays: dict[str, Any] = {f"{at}/{name}": one for at, row in enumerate(samples) for name, one in row.items()}
    np.savez(path, **arrays)


def read_arrays(path: Path, count: int) -> list[Answers]:
    """The other way."""
    answers: list[Answers] = [{} for _ in range(count)]
    with np.load(path) as file:
        for key in file:
            number, _, name = key.partition("/")
            answers[int(number)][name] = file[key]
    return answers
