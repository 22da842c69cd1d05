"""Running a server until it is told to stop: signals, the exit status, the lines that scripts wait for.

Shared by the commands that serve; what is served, and how, is theirs to say.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

from naiad.cli.announcing import log_models, log_ready
from naiad.cli.freed_memory import keep_freed_memory
from naiad.core.errors import NaiadError
from naiad.core.machine.cache_folders import have_temporary_files, remove_temporary_folders
from naiad.core.settings.config import ServerSettings
from naiad.functions import Bindings
from naiad.repository import Entry, FetchSettings
from naiad.server.assembly import Assembly

COLLECT_AFTER_OBJECTS = 20_000
"""Python's own 700 costs a small request about a tenth of its time."""

ONE_STOP_S = 0.1
"""Signals within so long are one: some process managers send one to the process and one to its group."""

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = logging.getLogger("naiad")


def run(
    entries: Sequence[Entry],
    settings: ServerSettings,
    fetching: FetchSettings,
    began_s: float,
    *,
    opens_first: bool = True,
    bindings: Bindings | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; returns the exit status: 0 after a clean stop.

    began_s: when the command began, by `time.perf_counter`. opens_first: open the doors before the models are loaded,
    so that probes find them; else after, as Triton does. bindings: functions to serve, too.

    Raises NaiadError when the server cannot start.
    """
    import uvloop

    have_temporary_files()
    this = _Run(Assembly(entries, settings, fetching, bindings), entries, settings, began_s)
    status = uvloop.run(this.serve(opens_first=opens_first))
    if this.is_held:
        _end(status)
    return status


class _Run:
    def __init__(self, server: Assembly, entries: Sequence[Entry], settings: ServerSettings, began_s: float) -> None:
        self._server = server
        self._entries = entries
        self._settings = settings
        self._began_s = began_s
        self._stop = asyncio.Event()
        self._stopped_s = 0.0
        """When it was told to stop."""
        self.is_held = False
        """Something runs on in a thread, which the end of Python would wait for or break in the middle."""

    async def serve(self, *, opens_first: bool) -> int:
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                loop.add_signal_handler(number, self._on_signal, number)
        starting = asyncio.ensure_future(self._start(opens_first=opens_first))
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not self._stop.is_set():
            try:
                all_loaded = starting.result()
            except NaiadError:
                await self._server.stop()
                raise
            if not all_loaded and self._settings.exit_on_error:
                await self._server.stop()
                return 1
            _forget_garbage()
            keep_freed_memory()
            await stopping
        await self._server.leave()
        starting.cancel()
        is_clean = await self._server.stop()
        self.is_held = self._server.is_loading or not is_clean
        _log.info("stopped")
        return 0 if is_clean else 1

    async def _start(self, *, opens_first: bool) -> bool:
        """Open and load; returns whether all models could be loaded."""
        if opens_first:
            await self._server.start()
        all_loaded = await self._server.load()
        self._server.check_application()
        log_models(self._server)
        if not all_loaded and self._settings.exit_on_error:
            _log.error(
                "creating server: Internal - failed to load all models: "
                "not all models could be loaded, and --exit-on-error is set"
            )
            return False
        if not opens_first:
            await self._server.start()
        log_ready(self._server, self._entries, time.perf_counter() - self._began_s)
        return all_loaded

    def _on_signal(self, number: signal.Signals) -> None:
        now_s = time.perf_counter()
        if self._stop.is_set():
            if now_s - self._stopped_s < ONE_STOP_S:
                return
            _log.warning("second %s: stopping at once", number.name)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._server.overview.leave()
        _log.info("%s: finishing running requests, then stopping", number.name)
        self._stopped_s = now_s
        self._stop.set()


def _end(status: int) -> None:
    """End the process now, without Python's own end."""
    remove_temporary_folders()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _forget_garbage() -> None:
    # What is loaded stays: the collector need not walk it again. A request leaves no cycles behind, so it may come
    # round less often, too.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
