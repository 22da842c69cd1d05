"""Where a server listens."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """The two doors of one server."""

    http: tuple[str, int]
    grpc: str
