"""`naiad serve`: start a server and keep it until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import click

from naiad.cli.options import SectionedCommand, settings_options
from naiad.cli.programs import application_entry, load_program, split_sources
from naiad.cli.reloading import run_reloading
from naiad.cli.running import run
from naiad.cli.sources import entries_of, fetch_settings, source_options
from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.config import ServerSettings
from naiad.observe.logs.lines import LogOptions, set_up_logging
from naiad.repository import LineProgress, progress_for


@click.command("serve", cls=SectionedCommand)
@click.argument("sources", nargs=-1, metavar="[NAME=]SOURCE...")
@source_options
@click.option(
    "--reload",
    "reloads",
    is_flag=True,
    help="Start again when a Python file in the folder of FILE.py changes; for development.",
)
@settings_options
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], reloads: bool, **values: Any) -> None:
    """Serve models until stopped.

    SOURCE is org/name or hf://org/name[@revision][/subfolder] on the Hugging Face Hub, pkg://module/path in an
    installed package, or a folder with a checkpoint or a Triton model repository; or FILE.py:NAME, a naiad.Server in a
    Python file, with the functions that are bound to it, or a Flask, FastAPI or other WSGI or ASGI application. Without
    a SOURCE, the models listed in ./naiad.yaml are served.
    """
    began_s = time.perf_counter()
    program, name, sources = split_sources(sources)
    if reloads and program is None:
        raise InvalidConfiguration("--reload is for a program: naiad serve app.py:server --reload")
    fetching_values = {name: values.pop(name) for name in ("manifest", "lock", "update", "verify", "offline")}
    server = None if program is None or reloads else load_program(program, name)
    if server is not None:  # what the program says counts unless the command line, or the environment, says otherwise
        default = click.core.ParameterSource.DEFAULT
        values |= {key: value for key, value in server.options.items() if ctx.get_parameter_source(key) is default}
    settings = ServerSettings.of(**values)
    options = LogOptions.of(settings.log)
    set_up_logging(options)
    if reloads and program is not None:
        sys.exit(run_reloading([word for word in sys.argv[1:] if word != "--reload"], program.resolve().parent))
    # Lines among JSON lines would break whoever parses them.
    draws = options.resolved_format == "text" and not options.file
    progress = progress_for(sys.stderr) if draws else LineProgress(logging.getLogger("naiad.download").info)
    manifest, entries = entries_of(sources, fetching_values.pop("manifest"), needs_some=program is None)
    fetching = fetch_settings(manifest, **fetching_values, progress=progress)
    if server is not None:
        entries += server.entries
    elif program is not None:
        entries += (application_entry(program, name, settings),)
    sys.exit(run(entries, settings, fetching, began_s, bindings=None if server is None else server.bindings))
