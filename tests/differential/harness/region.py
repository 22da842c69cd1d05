"""The system shared memory that the cases on it use; its name is this process's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory

KEY = f"/naiad_differential_{os.getpid()}"
CONTENT = b"".join(number.to_bytes(4, "little") for number in range(64))


@contextmanager
def shared_region() -> Iterator[SharedMemory]:
    """Make the region, and remove it at the end."""
    memory = SharedMemory(KEY.removeprefix("/"), create=True, size=len(CONTENT))
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()
