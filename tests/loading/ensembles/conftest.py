"""Lets the tests of this folder share `writing.py` and the fixture of controls."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
