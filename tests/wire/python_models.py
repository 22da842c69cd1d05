"""Python models for tests through the real doors, in a repository of a few lines each."""

from __future__ import annotations

import textwrap
from pathlib import Path

PORT = "data_type: TYPE_INT32 dims: [ -1 ]"


def put(repository: Path, name: str, source: str, config: str = "") -> None:
    """Write a model; its tensors are x and y, INT32 [-1], unless the configuration says otherwise."""
    version = repository / name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(textwrap.dedent(source))
    if "input" not in config:
        config += f'input {{ name: "x" {PORT} }} output {{ name: "y" {PORT} }}'
    (repository / name / "config.pbtxt").write_text(f'name: "{name}" backend: "python"\n{config}\n')
