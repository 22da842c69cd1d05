"""A server whose models are loaded and unloaded, for both doors.

Tests of this folder share `control_door.py` and `stations.py`: import-mode importlib leaves sys.path alone, so that it
is added here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from naiad.testing import running_server

if TYPE_CHECKING:
    from control_door import Door

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["http", "grpc"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def door(kind: str, tmp_path: Path) -> Iterator[Door]:
    """A client of a server in explicit mode, whose repository has `a`, loaded, and `b`, not."""
    from control_door import Door, put  # imports tritonclient, without which the other tests can do

    put(tmp_path, "a")
    put(tmp_path, "b")
    with running_server(str(tmp_path), model_control_mode="explicit", load_model=("a",)) as server:
        assert server.all_loaded
        yield Door(kind, server)
