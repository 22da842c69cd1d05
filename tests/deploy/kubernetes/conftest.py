"""The modules beside these tests can be imported, and those of tests/soak."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "soak")]
