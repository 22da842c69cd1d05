"""Naiad: a light inference server.

`import naiad` loads nothing but this page; the clients come with their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from naiad import errors
    from naiad.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__", "errors"]


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("naiad.errors")
    if name in ("AsyncClient", "Client"):
        return getattr(import_module("naiad.client"), name)
    raise AttributeError(f"module 'naiad' has no attribute '{name}'")
