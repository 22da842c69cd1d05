"""A store for each test, on every emulator that runs here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from emulators import EMULATORS, Emulator, why_not


@pytest.fixture(scope="module", params=EMULATORS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """One emulator for the tests of a file; each works below a path of its own."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    with EMULATORS[request.param]() as running:
        yield running


@pytest.fixture
def store(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The same, found by this process, with an empty cache."""
    for name, value in emulator.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NAIAD_CACHE", str(tmp_path / "cache"))
    return emulator
