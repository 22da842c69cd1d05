"""Places where jobs are kept: a folder, and a real Redis server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "jobs")
    redis: Any = request.getfixturevalue("redis_process")
    redis.ask("FLUSHALL")
    return f"redis://{redis.host}:{redis.port}"
