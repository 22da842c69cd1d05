"""Whatever stands in a checkpoint's JSON files, it is served or refused in words, with bounded memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import strange_files


def test_every_value_of_every_file_may_be_strange(tmp_path: Path) -> None:
    """Values of every kind at every place of two checkpoints' files: never an error of another kind than ours."""
    done = subprocess.run(
        [sys.executable, strange_files.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NAIAD_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["faults"] == []
    assert report["tried"] > 500
