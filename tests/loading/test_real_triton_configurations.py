"""Every wrong configuration at NVIDIA's own server: it says what `wrong_configurations.txt` has."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from wrong_configurations import NO_TEXT, read_words, write_repository

MODEL = """
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        return [triton.InferenceResponse([]) for _ in requests]
"""


def test_the_words_are_those_of_triton(tmp_path: Path, real_triton: Any) -> None:
    names = write_repository(tmp_path / "models", "python")
    for model in names:
        (tmp_path / "models" / model / "1" / "model.py").write_text(MODEL)
    options = ("--exit-on-error=false", "--disable-auto-complete-config")
    with real_triton(tmp_path / "models", tmp_path / "log", options) as triton:
        request = urllib.request.Request(f"http://127.0.0.1:{triton.http[1]}/v2/repository/index", b"{}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            ready = {row["name"] for row in json.loads(answer.read()) if row.get("state") == "READY"}
    log = (tmp_path / "log").read_text()
    said = {name: "served" if model in ready else words_of(model, log) for model, name in names.items()}
    assert said == read_words()


def words_of(model: str, log: str) -> str:
    """The reason of the first line that says that the model cannot be loaded."""
    failed = (
        rf"\"Poll failed for model directory '{model}': (.*)\"$",
        rf"\"failed to load '{model}' version 1: Invalid argument: (.*)\"$",
        rf"\"failed to load model '{model}': (.*)\"$",
    )
    found = next((match for pattern in failed if (match := re.search(pattern, log, re.MULTILINE))), None)
    if found is None:
        return "nothing"
    return NO_TEXT if found[1].startswith(NO_TEXT) else re.sub(rf"\b{model}(?=\b|_)", "{model}", found[1])
