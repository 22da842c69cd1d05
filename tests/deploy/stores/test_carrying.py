"""`naiad pull --to` a store: what is served from there needs the Hub no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from emulators import Emulator

from naiad.testing import LocalHub, running_server, tiny_checkpoint


def test_a_model_is_carried_in_a_store_and_served_from_it(store: Emulator, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "checkpoint")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with LocalHub() as hub:
        hub.add_folder("org/tiny", folder)
        words = ["pull", "org/tiny", "--to", f"{store.address}/carried"]
        variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", "from naiad.cli.main import main; main()", *words],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    place = done.stdout.strip().rpartition("naiad serve ")[2]
    assert place.endswith("/carried/tiny")
    with running_server(place) as server:
        assert server.all_loaded
