"""Lets the tests of this folder share its other files: import-mode importlib leaves sys.path alone."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scheduler_house import house, is_limited, kind  # noqa: F401  # fixtures; found only now
