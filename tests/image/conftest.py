"""The image must be there, and podman able to run it; else the tests are skipped with the reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from containers import IMAGE, why_not


@pytest.fixture(scope="session")
def image() -> str:
    """The name of the image."""
    if reason := why_not():
        pytest.skip(reason)
    return IMAGE
