"""The parts of a server, put together: started, drained and stopped. Signals are the command line's business.

The order of a stop: be ready no more, go on serving for a while if that is asked for, refuse new connections and
requests, let running ones finish (bounded), close connections, release the models (bounded).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cached_property, partial

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.settings.config import ServerSettings
from naiad.core.user_code.application import ApplicationEntry
from naiad.functions import Bindings
from naiad.loading.control import Control
from naiad.observe.logs.control import LogControl
from naiad.observe.logs.lines import LogOptions
from naiad.observe.metrics.custom import CustomMetrics
from naiad.observe.metrics.latencies import read_metrics_config
from naiad.observe.metrics.page import MetricsPage
from naiad.observe.trace.options import read_trace_config
from naiad.observe.trace.tracing import Tracing
from naiad.repository import Entry, FetchSettings
from naiad.scheduling.rate_limiter.limiter import RateLimiter
from naiad.scheduling.rate_limiter.resources import read_resources
from naiad.server.jobs import make_jobs, numbers_of, statistics_of
from naiad.server.wrapping import Wrapping
from naiad.serving.caching.choice import make_cache
from naiad.serving.caching.model import Caching
from naiad.serving.caching.shared.cache import SharedCache
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.host import Host
from naiad.serving.overview import Overview
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.wire.door import DoorNeeds
from naiad.wire.doors import Doors
from naiad.wire.in_process import InProcess
from naiad.wire.services import Services
from naiad.wire.waiting import Waiting

_RELEASE_S = 2.0
"""What models that do not run any more need by far; one that runs on is not waited for."""

_log = logging.getLogger("naiad.server")


class Assembly:
    """One server in this process, on the running event loop."""

    def __init__(
        self,
        entries: Sequence[Entry],
        settings: ServerSettings,
        fetching: FetchSettings | None = None,
        bindings: Bindings | None = None,
    ) -> None:
        """entries, bindings: what to serve. fetching: how to fetch it; default: no lock file, no progress."""
        self.settings = settings
        self._entries = entries
        self._is_open = self._has_jobs = False
        self.catalog = Catalog()
        self.engine = Engine(self.catalog, memory=SharedMemory(is_allowed=settings.allow_client_shm))
        cache = make_cache(settings.cache_config)
        self._shared_cache = cache if isinstance(cache, SharedCache) else None
        limiter = _rate_limiter(settings)
        wrap = Wrapping(Caching(cache, self.engine.worker), limiter)
        self.control = Control(
            entries, self.catalog, settings.models, fetching or FetchSettings(), wrap, bindings, self.engine
        )
        waiting = Waiting(settings.max_waiting_size, settings.max_connection_waiting_size)
        self.jobs = make_jobs(settings, self.engine, waiting)
        self.overview = Overview(
            self.engine,
            settings.server_name,
            self.control,
            strict_readiness=settings.models.strict_readiness,
            jobs=None if self.jobs is None else partial(statistics_of, self.jobs),
        )
        metrics = CustomMetrics()
        self._host = self.control.host = Host(self.engine, self.control, metrics)
        may_change = settings.allow_setting_changes
        tracing = Tracing(read_trace_config(settings.trace_config), self.engine.serves, may_change=may_change)
        self.engine.tracing = tracing
        logs = LogControl(LogOptions.of(settings.log), may_change=may_change)
        services = Services(
            self.engine,
            self.overview,
            self.control,
            logs=logs,
            waiting=waiting,
            jobs=self.jobs,
            application=_application(entries),
        )
        latencies = read_metrics_config(settings.models.metrics_config)
        page = MetricsPage(
            lambda: (model.statistics for model in self.catalog.models()),
            latencies,
            has_machine=settings.metrics.machine,
            cache=None if cache is None else cache.statistics,
            usage=None if limiter is None else limiter.usage,
            custom=metrics.families,
            jobs=None if self.jobs is None else partial(numbers_of, self.jobs),
        )
        self._make_doors = partial(Doors, services, render_metrics=page.render)
        self.doors = self._make_doors(settings)
        self._needs = DoorNeeds(services, settings, page.render)

    @cached_property
    def in_process(self) -> InProcess:
        """The doors without ports; made when first asked for. Used on the event loop's thread."""
        return InProcess(self._needs)

    @property
    def http_port(self) -> int:
        """The port of the v2 door, once started."""
        return self.doors.http.listener.port

    @property
    def grpc_port(self) -> int:
        """The port of the gRPC door, once started."""
        return self.doors.grpc.listener.port

    @property
    def metrics_port(self) -> int:
        """The port of the metrics door, once started."""
        return self.doors.metrics.listener.port

    async def start(self, settings: ServerSettings | None = None) -> None:
        """Open the doors; models are not loaded yet. Raises InvalidConfiguration for an address that is taken.

        settings: with other doors than this was made with; for when none of those is open.
        """
        if settings is not None:
            self.settings, self.doors = settings, self._make_doors(settings)
        if self.jobs is not None and not self._has_jobs:
            await self.jobs.open()
            self._has_jobs = True
        await self.doors.open()
        self._is_open = True
        if self._shared_cache is not None:
            await self._shared_cache.open()

    async def load(self) -> bool:
        """Load what is to be loaded at start; returns whether all of it can be served.

        One failure does not touch the others.
        """
        self._host.begin()
        return await self.control.start()

    def check_application(self) -> None:
        """Raise LoadFailed where there is a web application that could not be loaded: nothing else has its URLs."""
        entry = _application(self._entries)
        if entry is not None and not self.catalog.ready_versions(entry.name):
            reasons = [one.reason for one in self.catalog.entries() if one.name == entry.name and one.reason]
            raise LoadFailed(reasons[0] if reasons else f"{entry} could not be loaded; the log says why")

    async def leave(self) -> None:
        """Be ready no more, and return after `lame_duck_s`, in which load balancers notice; requests are answered."""
        self.overview.leave()
        if self._is_open:
            await asyncio.sleep(self.settings.lame_duck_s)

    async def stop(self) -> bool:
        """Drain and release everything; returns whether all running requests could be finished in time."""
        self.overview.leave()
        is_clean = True
        try:
            await asyncio.wait_for(self._drain(), self.settings.drain_timeout_s)
        except TimeoutError:
            is_clean = False
            _log.warning(
                "some requests were not finished, or their answers not read, within %g s", self.settings.drain_timeout_s
            )
        await self.doors.close()
        if self.jobs is not None:
            await self.jobs.close()
        await asyncio.to_thread(self.engine.tracing.close)
        try:
            await asyncio.wait_for(self.control.close(), _RELEASE_S)
        except TimeoutError:
            is_clean = False
            _log.warning("some models were still running after %g s, and are left behind", _RELEASE_S)
        if self._shared_cache is not None:
            await self._shared_cache.close()
        self.engine.memory.close()
        self.engine.worker.close()
        return is_clean

    @property
    def is_loading(self) -> bool:
        """Whether a load runs in a thread, which nobody can stop."""
        return self.control.is_loading

    async def _drain(self) -> None:
        """Return when every request is answered and every answer sent."""
        await self.doors.stop_accepting()
        if self.jobs is not None:
            self.jobs.pause()
        await self.engine.drain()
        if self.jobs is not None:
            await self.jobs.settled()
        await self.control.drain()
        await self.doors.finish()
        if "in_process" in self.__dict__:
            await self.in_process.finish()


def _application(entries: Sequence[Entry]) -> ApplicationEntry | None:
    """Return the web application, if there is one. Raises InvalidConfiguration for several."""
    found = [entry for entry in entries if isinstance(entry, ApplicationEntry)]
    if len(found) > 1:
        raise InvalidConfiguration(f"one server has one application, not {', '.join(map(str, found))}")
    return found[0] if found else None


def _rate_limiter(settings: ServerSettings) -> RateLimiter | None:
    """Make the rate limiter, if there is to be one. Raises InvalidConfiguration for resources that cannot be read."""
    resources = read_resources(settings.models.rate_limit_resource)
    if settings.models.rate_limit != "off":
        return RateLimiter(resources)
    if resources:
        _log.warning("--rate-limit-resource has no effect without --rate-limit execution_count")
    return None
