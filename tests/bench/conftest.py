"""The benchmark is scripts in a folder of its own; its modules are found by name, as when one of them is run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench"))
