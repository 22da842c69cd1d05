"""Makes the environments of `make test-deploy` in .bench/env: object stores, Helm and schemas, KServe, Ray, GPUs.

`--quick` leaves out those that only `make test-deploy` uses. As many are made at a time as there are cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = ROOT / "requirements"
ENVIRONMENTS = ROOT / ".bench" / "env"


def main() -> None:
    """Make them, unless they are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="what make test-deploy-quick uses")
    is_quick = parser.parse_args().quick
    sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tools")]
    from environment import make_environment

    # The longest first.
    steps: dict[str, Callable[[], object]] = {
        "kserve": partial(make_environment, "kserve", PINS / "kserve.txt"),
        "stores": partial(make_environment, "stores", PINS / "stores.txt"),
        # Naiad itself runs there, beside Ray.
        "ray": partial(make_environment, "ray", PINS / "base.txt", PINS / "ray.txt"),
        "kubernetes": partial(make_environment, "kubernetes", PINS / "kubernetes.txt"),
    }
    if not is_quick:
        steps["gpu"] = partial(_make_gpu_environment, make_environment)
        npm = shutil.which("npm")
        if npm is None:
            sys.stderr.write("no npm here: the emulators azurite and s3rver are left out\n")
        else:
            steps["stores-node"] = partial(_make_node_environment, npm, ENVIRONMENTS / "stores-node", PINS / "node")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for made in [pool.submit(_timed, name, step) for name, step in steps.items()]:
            made.result()


def _timed(name: str, step: Callable[[], object]) -> None:
    began_s = time.monotonic()
    step()
    sys.stderr.write(f".bench/env/{name} is there ({time.monotonic() - began_s:.0f} s)\n")


def _make_gpu_environment(make_environment: Callable[..., object]) -> None:
    """ONNX Runtime for GPUs, without the libraries of CUDA, which are of no use where there is no GPU."""
    from pins import read_pins

    [pin] = [one for one in read_pins((PINS / "gpu.txt").read_text()) if one.name == "onnxruntime-gpu"]
    alone = ENVIRONMENTS / "onnxruntime-gpu.txt"
    alone.parent.mkdir(parents=True, exist_ok=True)
    alone.write_text(" ".join([pin.requirement, *(f"--hash={one}" for one in pin.hashes)]) + "\n")
    make_environment("gpu", alone)


def _make_node_environment(npm: str, folder: Path, pins: Path) -> None:
    lock = (pins / "package-lock.json").read_bytes()
    stamp, digest = folder / "stamp", hashlib.sha256(lock).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    sys.stderr.write("making .bench/env/stores-node from package-lock.json …\n")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(pins / name, folder)
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    stamp.write_text(digest)


if __name__ == "__main__":
    main()
