"""One cluster for all tests of Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from running import RayCluster, running_cluster, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    """Three nodes on this machine."""
    if reason := why_not():
        pytest.skip(reason)
    with running_cluster() as running:
        yield running
