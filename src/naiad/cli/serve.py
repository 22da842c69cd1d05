"""`naiad serve`: start a server and keep it until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import click

from naiad.cli.options import SectionedCommand, settings_options
from naiad.cli.running import run
from naiad.cli.sources import entries_of, fetch_settings, source_options
from naiad.core.config import ServerSettings
from naiad.observe.logs import LogOptions, set_up_logging
from naiad.repository import LineProgress, progress_for


@click.command("serve", cls=SectionedCommand)
@click.argument("sources", nargs=-1, metavar="[NAME=]SOURCE...")
@source_options
@settings_options
def command(sources: tuple[str, ...], **values: Any) -> None:
    """Serve models until stopped.

    SOURCE is org/name or hf://org/name[@revision][/subfolder] on the Hugging Face Hub, pkg://module/path in an
    installed package, or a folder with a checkpoint or a Triton model repository. Without a SOURCE, the models listed
    in ./naiad.yaml are served.
    """
    began_s = time.perf_counter()
    fetching_values = {name: values.pop(name) for name in ("manifest", "lock", "update", "verify", "offline")}
    settings = ServerSettings.of(**values)
    options = LogOptions.of(settings.log)
    set_up_logging(options)
    # Lines among JSON lines would break whoever parses them.
    draws = options.resolved_format == "text" and not options.file
    progress = progress_for(sys.stderr) if draws else LineProgress(logging.getLogger("naiad.download").info)
    manifest, entries = entries_of(sources, fetching_values.pop("manifest"))
    fetching = fetch_settings(manifest, **fetching_values, progress=progress)
    sys.exit(run(entries, settings, fetching, began_s))
