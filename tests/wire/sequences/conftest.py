"""A server with models of sequences; tests of this folder share `sequence_models.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naiad.testing import RunningServer, running_server

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    from sequence_models import write

    with running_server(str(write(tmp_path_factory.mktemp("models")))) as running:
        assert running.all_loaded
        yield running
