"""A control without a server around it, for the tests of the modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from naiad.core.settings.config import ModelSettings
from naiad.loading.control import Control
from naiad.repository import FetchSettings, ModelEntry
from naiad.serving.catalog import Catalog
from naiad.serving.control import LoadParameters

Put = Callable[..., Path]


class Fixture:
    """A control without a server around it."""

    def __init__(self, *sources: str | Path, fetching: FetchSettings | None = None, **settings: Any) -> None:
        self.catalog = Catalog()
        entries = [ModelEntry.from_source(str(source)) for source in sources]
        self.control = Control(entries, self.catalog, ModelSettings.of(**settings), fetching or FetchSettings())

    async def __aenter__(self) -> Self:
        self.all_loaded = await self.control.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.control.close()

    async def states(self) -> dict[str, str]:
        """`name/version` → state and reason, once nothing is on its way out."""
        await self.control._models.released()
        return {
            f"{row['name']}/{row.get('version', '')}": " ".join(filter(None, (row["state"], row.get("reason"))))
            for row in self.catalog.index()
        }

    async def load(self, name: str, config: str | None = None) -> None:
        await self.control.load(name, LoadParameters(config))

    async def unload(self, name: str, *, with_dependents: bool = False) -> None:
        await self.control.unload(name, unload_dependents=with_dependents)
