"""Shared memory objects as a client makes them, and how often one is mapped."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

OBJECTS = Path("/dev") / "shm"


@pytest.fixture
def make_object() -> Iterator[Callable[..., str]]:
    """Makes an object of some bytes and returns its key, without the slash; unlinks it in the end."""
    if not OBJECTS.is_dir():
        pytest.skip("no /dev/shm on this system")
    made: list[Path] = []

    def make(content: bytes = b"", size: int = 0) -> str:
        path = OBJECTS / f"naiad-test-{uuid.uuid4().hex}"
        path.write_bytes(content)
        if size:
            os.truncate(path, size)
        made.append(path)
        return path.name

    yield make
    for path in made:
        path.unlink(missing_ok=True)


@pytest.fixture
def count_mappings() -> Callable[[str], tuple[int, int]]:
    """Counts the mappings and the open descriptors that this process has of an object."""

    def count(key: str) -> tuple[int, int]:
        mapped = sum(key in line for line in Path("/proc/self/maps").read_text().splitlines())
        opened = 0
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                opened += key in str(descriptor.readlink())
            except FileNotFoundError:  # the one that listed the folder
                continue
        return mapped, opened

    return count
