"""Fill a folder with Naiad itself, the names it is started by, and the folders it writes to.

python3 server.py ROOT
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from trees import PACKAGES, compile_all, settle

STARTS = {
    "naiad": "from naiad.cli.main import main\nmain()\n",
    "naiad-start": "from naiad.cli.container.start import main\nmain()\n",
    "tritonserver": "import sys\nfrom naiad.cli.main import main\nmain(['triton', *sys.argv[1:]])\n",
}
"""Program: what it does."""

WRITTEN = ("cache", "models")
"""Folders of whoever runs the server."""


def main(root: Path) -> None:
    """Fill ROOT."""
    site = root / PACKAGES
    shutil.copytree("src/naiad", site / "naiad", ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True)
    for name, text in STARTS.items():
        (programs / name).write_text(f"#!/usr/bin/python3\n{text}")
        (programs / name).chmod(0o755)
    (root / "opt/tritonserver/bin").mkdir(parents=True)
    (root / "opt/tritonserver/bin/tritonserver").symlink_to("/usr/local/bin/tritonserver")
    for name in ("LICENSE", "NOTICE"):
        notices = root / "usr/share/doc/naiad"
        notices.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, notices / name)
    for name in ("srv", *WRITTEN):
        (root / name).mkdir()
    compile_all(root, PACKAGES)
    settle(root)
    for name in WRITTEN:
        os.chown(root / name, 65532, 0)
        (root / name).chmod(0o775)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
