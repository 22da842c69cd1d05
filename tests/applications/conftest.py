"""Applications of `served/`, each served for the tests of a module."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from served_application import SERVED, Serve, serve_application

from naiad.testing import RunningServer


@pytest.fixture(scope="session")
def serve() -> Serve:
    """See `serve_application`; a name alone is that of a file in served/."""

    def call(file: str | Path, name: str = "app", **options: Any) -> AbstractContextManager[RunningServer]:
        return serve_application(SERVED / file, name, **options)

    return call
