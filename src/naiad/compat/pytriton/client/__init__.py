"""PyTriton's clients. They speak to any server of the v2 protocol."""

from naiad.compat.pytriton.client.aio import AsyncioDecoupledModelClient, AsyncioModelClient
from naiad.compat.pytriton.client.futures import FuturesModelClient
from naiad.compat.pytriton.client.sync import DecoupledModelClient, ModelClient

__all__ = [
    "AsyncioDecoupledModelClient",
    "AsyncioModelClient",
    "DecoupledModelClient",
    "FuturesModelClient",
    "ModelClient",
]
