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


def test_a_target_that_takes_no_models_is_refused_before_the_download(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with LocalHub() as hub:
        hub.add("org/good", {"config.json": '{"model_type": "bert"}', "vocab.txt": "[PAD]", "model.safetensors": "1"})
        behind_file = pull(hub, tmp_path, "org/good", "--to", "file/models")
        to_hub = pull(hub, tmp_path, "org/good", "--to", "hf://org/other")
        to_closed = pull(hub, tmp_path, "org/good", "--to", "closed/models") if os.geteuid() else None
        assert to_closed is None or "you may not write to" in to_closed.stderr
        assert hub.requests == []
    assert (behind_file.returncode, to_hub.returncode) == (1, 1)
    assert behind_file.stderr.strip().endswith(f"{tmp_path / 'file'} is a file; give a folder")
    assert "give a folder or an object store" in to_hub.stderr
