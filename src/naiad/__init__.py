"""Naiad: a light inference server.

`import naiad` loads nothing but this page; the rest comes with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from naiad import errors
    from naiad.client import AsyncClient, Client
    from naiad.core.model.condition import When
    from naiad.core.model.ensemble import Step
    from naiad.core.user_code.batched import batched
    from naiad.server import AsyncServer, Server

__version__ = "0.1.0"
__all__ = ["AsyncClient", "AsyncServer", "Client", "Server", "Step", "When", "__version__", "batched", "errors"]

_HOMES = {
    "AsyncClient": "naiad.client",
    "AsyncServer": "naiad.server",
    "Client": "naiad.client",
    "Server": "naiad.server",
    "Step": "naiad.core.model.ensemble",
    "When": "naiad.core.model.condition",
    "batched": "naiad.core.user_code.batched",
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("naiad.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'naiad' has no attribute '{name}'")
