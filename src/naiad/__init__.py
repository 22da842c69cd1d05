"""Naiad: a light inference server.

`import naiad` loads nothing but this page; the clients come with their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from naiad.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> object:
    if name not in ("AsyncClient", "Client"):
        raise AttributeError(f"module 'naiad' has no attribute '{name}'")
    from naiad import client

    return getattr(client, name)
