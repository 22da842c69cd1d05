"""Loads the models of the entries and tells the catalog of each step; one failure does not touch the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from naiad.core.config import ServerSettings
from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.loading.plan import PlannedModel, plan
from naiad.repository import FetchSettings, ModelEntry
from naiad.serving.catalog import Catalog

Loaded = TypeVar("Loaded")

_log = logging.getLogger("naiad.loading")


class Models:
    """The entries of one server, and the threads that load them."""

    def __init__(
        self, entries: Sequence[ModelEntry], catalog: Catalog, settings: ServerSettings, fetching: FetchSettings
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self._entries = tuple(entries)
        self._origins: dict[str, ModelEntry] = {}
        """Which entry a model's name came from first."""
        self._ambiguous: set[str] = set()
        """Names that two entries claim; neither is served, so that the order of loading decides nothing."""
        self._fetching = fetching
        self._threads = ThreadPoolExecutor(settings.load_threads, thread_name_prefix="naiad-load")

    async def load(self) -> bool:
        """Load every entry; returns whether all of it can be served."""
        results = await asyncio.gather(*(self._load_entry(entry) for entry in self._entries))
        return all(results)

    async def close(self) -> None:
        """Load nothing more and release every model."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for model in list(self.catalog.models()):
            await asyncio.get_running_loop().run_in_executor(None, model.close)

    async def _load_entry(self, entry: ModelEntry) -> bool:
        label = entry.name or entry.source.default_name
        try:
            planned = await self._in_thread(lambda: plan(entry, self._fetching, self.settings))
        except NaiadError as error:
            self._failed(label, "", error)
            return False
        results = await asyncio.gather(*(self._load_model(entry, model) for model in planned))
        return all(results)

    async def _claim(self, entry: ModelEntry, planned: PlannedModel) -> bool:
        """Whether the model's name is this entry's alone; takes an earlier claimant out of service if not."""
        first = self._origins.setdefault(planned.name, entry)
        if first is entry:
            return True
        if planned.name not in self._ambiguous:
            self._ambiguous.add(planned.name)
            for model in self.catalog.withdraw(planned.name):
                await model.drain()
                await self._in_thread(model.close)
            self._failed(planned.name, "", _ambiguous(planned.name, first, entry))
        return False

    async def _load_model(self, entry: ModelEntry, planned: PlannedModel) -> bool:
        if not await self._claim(entry, planned):
            return False
        self.catalog.announce(planned.name, planned.version)
        began_s = time.perf_counter()
        try:
            models = await self._in_thread(planned.load)
        except NaiadError as error:
            self._failed(planned.name, planned.version, error)
            return False
        if planned.name in self._ambiguous:
            for model in models:
                await self._in_thread(model.close)
            return False
        for model in models:
            self.catalog.add(model)
        _log.info(
            "successfully loaded '%s' version %s in %.2f s",
            planned.name,
            planned.version,
            time.perf_counter() - began_s,
        )
        return True

    def _failed(self, name: str, version: str, error: NaiadError) -> None:
        _log.error("failed to load '%s': %s", name, error.message)
        self.catalog.fail(name, version, error.message)

    async def _in_thread(self, call: Callable[[], Loaded]) -> Loaded:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _ambiguous(name: str, first: ModelEntry, second: ModelEntry) -> InvalidConfiguration:
    return InvalidConfiguration(
        f"model '{name}' appears in two or more repositories: {first.source} and {second.source}. Neither is served; "
        "give one of them another name, as in NAME=SOURCE",
        model=name,
    )
