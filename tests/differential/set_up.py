"""Makes the environment with NVIDIA's server, .bench/env/triton, where this machine can have it; `make test-triton`.

It is the one that the benchmark uses. The wheel nvidia-pytriton carries the server for Linux on x86-64, and its Python
models need numpy 1, which there is for Python up to 3.12.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Make the environment, or say why not; the tests are skipped then."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.version_info >= (3, 13):
        sys.stderr.write("no Triton here: its wheel is for Linux on x86-64 and Python up to 3.12\n")
        return
    sys.path.insert(0, str(ROOT / "bench"))
    from environment import make_environment

    make_environment("triton", ROOT / "requirements" / "bench-triton.txt")


if __name__ == "__main__":
    main()
