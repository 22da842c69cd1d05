"""Says on what the benchmark ran: processor, cores, memory, versions, commit, date, how busy the machine was."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from environment import ROOT

OURS = ("naiad", "onnxruntime", "tokenizers", "numpy", "uvloop", "httptools", "orjson")
PEERS = {"triton": "nvidia-pytriton", "mlserver": "mlserver", "mosec": "mosec", "litserve": "litserve"}


def describe() -> dict[str, object]:
    """The machine and the versions, at this moment."""
    memory_kb = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 1e6, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in OURS},
        "peers": {name: _pinned(name, package) for name, package in PEERS.items()},
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "src") else ""),
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text)
    wide = [flag for flag in ("avx2", "avx512_vnni", "amx_int8") if re.search(rf"\b{flag}\b", text)]
    return f"{name[1] if name else platform.machine()} ({', '.join(wide) or 'no vector extension known'})"


def _pinned(peer: str, package: str) -> str:
    pins = (ROOT / "requirements" / f"bench-{peer}.txt").read_text()
    return f"{package} " + re.search(rf"(?mi)^{package}==(.*)$", pins)[1]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
