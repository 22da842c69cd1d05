"""Loading and unloading while the server runs, as the doors ask for it; `naiad.loading` does it.

What is refused at once is raised; the rest is told through a future, which nobody has to wait for: a client that
leaves cancels nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from naiad.core.errors import NotReady


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """What a client sends along with a load; it holds until the model is unloaded or its files change."""

    config: str | None = None
    """JSON of a whole model configuration, in place of config.pbtxt."""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Path inside the model's folder → bytes, or their base64 text; in place of the folder."""


class ModelControl(Protocol):
    """Loads and unloads models by name. Called on the event loop's thread."""

    def load(self, name: str, parameters: LoadParameters) -> asyncio.Future[None]:
        """Load a model, or load it again. Raises NotReady, InvalidRequest, Overloaded; the future too."""
        ...

    def unload(self, name: str, *, unload_dependents: bool) -> asyncio.Future[None]:
        """Take a model out of service; unknown ones are out of it already. Raises NotReady, InvalidRequest."""
        ...

    async def offered(self) -> Mapping[str, str]:
        """Look which models could be loaded now; with each why it cannot be, if it cannot."""
        ...


class FixedModels:
    """The control of a server whose models nobody loads or unloads over the network."""

    def load(self, name: str, parameters: LoadParameters) -> asyncio.Future[None]:  # noqa: ARG002 (the contract's)
        """Raise NotReady."""
        raise not_explicit()

    def unload(self, name: str, *, unload_dependents: bool) -> asyncio.Future[None]:  # noqa: ARG002
        """Raise NotReady."""
        raise not_explicit()

    async def offered(self) -> Mapping[str, str]:
        """Give nothing."""
        return {}


def not_explicit() -> NotReady:
    """Make the error for a server that was not started with --model-control-mode explicit (Triton's words)."""
    return NotReady("explicit model load / unload is not allowed if polling is enabled")
