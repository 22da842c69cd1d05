"""What the decoders of requests, the request itself and its answer need to know of memory that clients share with us.

The regions themselves are `naiad.serving.shared_memory`; here are only the two seams and what stands in for them where
shared memory is off.
"""

from __future__ import annotations

from typing import Protocol

from naiad.core.errors import Unsupported


class OutputMemory(Protocol):
    """A place in a client's memory that one output is to be written to."""

    @property
    def byte_size(self) -> int:
        """Bytes that there is room for."""
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Put `byte_size` bytes or fewer at its beginning. Raises Failed, InvalidRequest."""
        ...


class ClientMemory(Protocol):
    """The regions that clients have registered. All methods raise Unsupported, and those below what they say."""

    def check_allowed(self) -> None:
        """Raise Unsupported where requests may not point into memory; asked before what they say of it is judged."""
        ...

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:
        """Return bytes of a region, not copied and read-only; the region stays mapped as long as they are held.

        Raises NotFound, InvalidRequest, Failed.
        """
        ...

    def reserve(self, region: str, offset: int, byte_size: int) -> OutputMemory:
        """Return a place in a region; the region stays open as long as it is held. Raises NotFound, InvalidRequest."""
        ...


def memory_is_off() -> Unsupported:
    """Return the error for everything that needs shared memory while it is not allowed; the words are Triton's."""
    return Unsupported("Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.")


class NoClientMemory:
    """A ClientMemory that refuses."""

    def check_allowed(self) -> None:
        """Raise Unsupported."""
        raise memory_is_off()

    def read(self, region: str, offset: int, byte_size: int) -> memoryview:  # noqa: ARG002 — the same for all
        """Raise Unsupported."""
        raise memory_is_off()

    def reserve(self, region: str, offset: int, byte_size: int) -> OutputMemory:  # noqa: ARG002 — the same for all
        """Raise Unsupported."""
        raise memory_is_off()


NO_MEMORY = NoClientMemory()
