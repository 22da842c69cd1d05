"""Model repositories to change, shared by the tests of loading.

`control_fixture.py` is shared, too: import-mode importlib leaves sys.path alone, so that this folder is added here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

MODELS = Path(__file__).parents[1] / "data" / "model_repository"
Put = Callable[..., Path]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder for models, empty."""
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def put(repository: Path) -> Put:
    """`put("name", versions=(1, 2), more="version_policy { … }")`: write a working model, which adds and subtracts."""

    def write(name: str, versions: tuple[int, ...] = (1,), more: str = "", within: Path = repository) -> Path:
        config = (MODELS / "simple" / "config.pbtxt").read_text().replace('"simple"', f'"{name}"')
        folder = within / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.pbtxt").write_text(config + more)
        for version in versions:
            shutil.copytree(MODELS / "simple" / "1", folder / str(version), dirs_exist_ok=True)
        return folder

    return write
