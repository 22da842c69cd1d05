"""`naiad serve`: start a server and keep it until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import time
from typing import Any

import click

from naiad.cli.options import SectionedCommand, settings_options
from naiad.cli.sources import entries_of, fetch_settings, source_options
from naiad.core.config import ServerSettings
from naiad.observe.logs import set_up_logging
from naiad.repository import FetchSettings, LineProgress, ModelEntry, progress_for
from naiad.server import Server
from naiad.serving.states import State

COLLECT_AFTER_OBJECTS = 20_000
"""Python's own 700 costs a small request about a tenth of its time."""

_log = logging.getLogger("naiad")


@click.command("serve", cls=SectionedCommand)
@click.argument("sources", nargs=-1, metavar="[NAME=]SOURCE...")
@source_options
@settings_options
def command(sources: tuple[str, ...], **values: Any) -> None:
    """Serve models until stopped.

    SOURCE is org/name or hf://org/name[@revision][/subfolder] on the Hugging Face Hub, pkg://module/path in an
    installed package, or a folder with a checkpoint or a Triton model repository. Without any, ./naiad.yaml says what
    to serve.
    """
    began_s = time.perf_counter()
    fetching_values = {name: values.pop(name) for name in ("manifest", "lock", "update", "verify", "offline")}
    settings = ServerSettings(**values)
    is_text = set_up_logging(settings.log_level, settings.log_format)
    # Lines among JSON lines would break whoever parses them.
    progress = progress_for(sys.stderr) if is_text else LineProgress(logging.getLogger("naiad.download").info)
    manifest, entries = entries_of(sources, fetching_values.pop("manifest"))
    fetching = fetch_settings(manifest, **fetching_values, progress=progress)
    sys.exit(_run(entries, settings, fetching, began_s))


def _run(entries: tuple[ModelEntry, ...], settings: ServerSettings, fetching: FetchSettings, began_s: float) -> int:
    import uvloop

    return uvloop.run(_serve(entries, settings, fetching, began_s))


async def _serve(
    entries: tuple[ModelEntry, ...], settings: ServerSettings, fetching: FetchSettings, began_s: float
) -> int:
    """Run a server; returns the exit status: 0 after a clean stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, stop, number)
    server = Server(entries, settings, fetching)
    await server.start()
    loading = asyncio.ensure_future(server.load())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if loading.done() and not stop.is_set():
        all_loaded = loading.result()
        if not all_loaded and settings.exit_on_error:
            _log.error("not all models could be loaded, and --exit-on-error is set")
            await server.stop()
            return 1
        _log_models(server, time.perf_counter() - began_s)
        # What is loaded stays: the collector need not walk it again. A request leaves no cycles behind, so it may come
        # round less often, too.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER_OBJECTS)
        await stopping
    loading.cancel()
    is_clean = await server.stop()
    _log.info("stopped")
    return 0 if is_clean else 1


def _on_signal(stop: asyncio.Event, number: signal.Signals) -> None:
    if stop.is_set():
        _log.warning("second %s: stopping at once", number.name)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _log.info("%s: finishing running requests, then stopping", number.name)
    stop.set()


def _log_models(server: Server, took_s: float) -> None:
    """Print the table of models, as scripts written for Triton look for it, and what cannot be served."""
    entries = list(server.catalog.entries())
    rows = [("Model", "Version", "Status")]
    rows += [(entry.name, entry.version or "-", str(entry.state)) for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        _log.info("| %s |", " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    failed = [entry.name for entry in entries if entry.state is not State.READY]
    if failed:
        left = "the others are served" if len(failed) < len(entries) else "nothing else is left to serve"
        _log.warning("%d of %d models cannot be served (%s); %s", len(failed), len(entries), ", ".join(failed), left)
    _log.info("ready on http://%s:%d after %.2f s", server.settings.host, server.http_port, took_s)
