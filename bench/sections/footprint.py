"""How quickly Naiad is ready, how much memory it holds, how much disk its environment takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median

from contender import FP32, Files
from drive import measure_load
from environment import ROOT, make_environment
from match import Pace, note
from peers.naiad import AUTOMATIC, Naiad
from server_process import running
from texts import make_texts

STARTS = 5


def measure(pace: Pace, files: Files) -> dict[str, float]:
    """Seconds to ready (median, file cache warm), resident MB with and without a model, MB on disk."""
    naiad = Naiad()
    logs = files.folder / "logs"
    ready = []
    for _ in range(STARTS + 1):
        with running(naiad.launch(FP32, AUTOMATIC, files), logs / "naiad-ready.log") as server:
            ready.append(server.ready_after_s)
    requests = [naiad.request(FP32, text) for text in make_texts()]
    with running(naiad.launch(FP32, AUTOMATIC, files), logs / "naiad-memory.log") as server:
        loaded_mb = server.resident_mb()
        measure_load(server.port, requests, 32, pace.seconds)
        used_mb = server.resident_mb()
    empty = files.folder / "naiad" / "empty"
    empty.mkdir(parents=True, exist_ok=True)
    with running(naiad.serve([str(empty)], "/v2/health/live", files), logs / "naiad-idle.log") as server:
        idle_mb = server.resident_mb()
    note(f"  ready after {', '.join(f'{seconds:.2f}' for seconds in ready)} s; {idle_mb:.0f} MB idle")
    return {
        "ready_s": median(ready[1:]),  # the first start fills the file cache, and converts if it must
        "idle_mb": idle_mb,
        "loaded_mb": loaded_mb,
        "used_mb": used_mb,
        "environment_mb": environment_mb(),
    }


def environment_mb() -> float:
    """Disk space in MB of a fresh environment with Naiad and what it needs."""
    folder = make_environment("base", ROOT / "requirements" / "base.txt")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(ROOT)], check=True)
    return sum(path.lstat().st_blocks * 512 for path in Path(folder).rglob("*")) / 1e6
