"""What a shared cache needs of the server that keeps the answers; `redis_server.py` is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Unreachable(Exception):
    """The server does not answer, or not in time, or lets us not in; the message says why, and names no secret."""


class Refused(Exception):
    """The server answers, but does not do what it is asked for."""


class AnswerServer(Protocol):
    """Bytes by key. Several calls may be under way at the same time; each ends within the time limits it was given."""

    address: str
    """For people."""

    async def reach(self) -> None:
        """Return if it would answer. Raises Unreachable, Refused."""
        ...

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return what there is, None where there is nothing. Raises Unreachable, Refused."""
        ...

    async def put(self, entries: Sequence[tuple[bytes, bytes]], ttl_s: float) -> None:
        """Keep these for so long. Raises Unreachable, Refused where it did not keep all of them."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...
