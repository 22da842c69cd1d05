"""`naiad pull` as a process, with a Hub that has little to give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from naiad.testing import LocalHub

NAIAD = [sys.executable, "-c", "from naiad.cli.main import main; main()"]


def pull(hub: LocalHub, folder: Path, *sources: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "cache"), "HF_TOKEN": ""}
    return subprocess.run(
        [*NAIAD, "pull", *sources], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_one_failure_names_its_source_once_and_the_others_are_pulled(tmp_path: Path) -> None:
    with LocalHub() as hub:
        hub.add("org/text", {"README.md": "# nothing to serve"})
        hub.add("org/good", {"config.json": '{"model_type": "bert"}', "vocab.txt": "[PAD]", "model.safetensors": "1"})
        done = pull(hub, tmp_path, "hf://org/text", "bad=hf://org/text", "org/good")
    assert done.returncode == 1
    first, second = [line for line in done.stderr.splitlines() if line.startswith("naiad: ")]
    assert first.startswith("naiad: hf://org/text: neither config.json")
    assert second.startswith("naiad: bad: neither config.json")
    assert done.stdout.startswith("hf://org/good at commit ")
    assert "org/good" in (tmp_path / "naiad.lock").read_text()
