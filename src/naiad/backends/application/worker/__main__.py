"""Starts a worker: `python FOLDER RUN SIDE PARENT`, two descriptors and the process that must live for this one to."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[4])  # where naiad itself is imported from, instead of this folder
    import_module("naiad.backends.application.worker.serving").main(*map(int, sys.argv[1:4]))
