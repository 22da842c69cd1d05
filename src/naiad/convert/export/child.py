"""The process in which torch and transformers run: loads one model, exports it, answers inputs with it.

Started by `process.py` as `python -m naiad.convert.export.child`; reads one JSON object a line, writes one or more:
`{"progress": …}` while it works, then `{"done": …}` or `{"error": …}`. A crash here costs the conversion and nothing
else. No file that can run code is opened: weights are safetensors (pickles only where the user asks for them, and then
torch's loader that takes nothing but tensors), and a checkpoint's own Python files are never imported.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from naiad.convert.export.exporting import export_graph
from naiad.convert.export.loaded import LoadedModel, Refused

Call = Mapping[str, Any]


class Child:
    """One model and what can be asked of it."""

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self._model: LoadedModel | None = None

    def serve(self, calls: TextIO) -> None:
        """Answer until the parent closes its end."""
        for line in calls:
            call = json.loads(line)
            try:
                done = getattr(self, f"_{call.pop('do')}")(call)
            except Refused as error:
                self._write({"error": str(error)})
            except Exception as error:  # noqa: BLE001 (torch and transformers raise anything; the parent makes it one of ours)
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                self._write({"error": f"{type(error).__name__}: {first_line(error)}"})
            else:
                self._write({"done": done})

    def _load(self, call: Call) -> dict[str, Any]:
        self._progress("loading torch and transformers")
        self._model = LoadedModel.load(call, self._progress)
        return self._model.facts()

    def _export(self, call: Call) -> dict[str, Any]:
        return export_graph(self._loaded(), call, self._progress)

    def _answer(self, call: Call) -> dict[str, Any]:
        self._loaded().answer(call["samples"], call["into"], self._progress)
        return {}

    def _time(self, call: Call) -> dict[str, Any]:
        seconds = self._loaded().time(call["feeds"], call["warmup"], call["measures"], call["most_s"])
        return {"seconds": seconds, "resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise Refused("no model is loaded")
        return self._model

    def _progress(self, sentence: str, done: int = 0, total: int = 0) -> None:
        self._write({"progress": sentence, "part": done, "total": total})

    def _write(self, answer: Mapping[str, Any]) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


def first_line(error: BaseException) -> str:
    """The first line of an error that says something; the exporter's go on for pages."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line), "no reason given")[:300]


@contextmanager
def private_stdout() -> Iterator[TextIO]:
    """The pipe to the parent; whatever libraries print goes to stderr instead."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(pipe, "w", encoding="utf-8") as answers:
        yield answers


def main() -> None:
    """Serve one parent."""
    with private_stdout() as answers:
        Child(answers).serve(sys.stdin)


if __name__ == "__main__":
    main()
