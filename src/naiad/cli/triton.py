"""`naiad triton`: tritonserver's command line, so that whoever starts tritonserver has one word to change.

What differs from `naiad serve`: Triton's flags, defaults and log lines; the doors open when the models are loaded.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from naiad.cli.running import run
from naiad.cli.sources import LOCK_VARIABLE, fetch_settings
from naiad.cli.triton_arguments import TritonArguments, read_arguments
from naiad.cli.triton_flags import DEFAULTS, FLAGS, SWITCH, TritonFlag, all_flags
from naiad.core.errors import NaiadError
from naiad.core.settings.config import options
from naiad.observe.logs.lines import LogOptions, set_up_logging
from naiad.repository import Entry, FetchSettings, LineProgress

_OWN = {option.name: option for option in options()}

_TLS = {
    "--grpc-tls-cert": "--grpc-server-cert",
    "--grpc-tls-key": "--grpc-server-key",
    "--grpc-tls-client-ca": "--grpc-root-cert",
}

_log = logging.getLogger("naiad.cli")


class TritonOption(click.Option):
    """A row of the help; `triton_arguments` does the parsing."""

    def __init__(self, flag: TritonFlag, section: str) -> None:
        super().__init__([f"--{flag.name}"], help=flag.help, type=str)
        self.group = section
        self.kind = flag.kind
        field = "host" if flag.field in ("http_host", "grpc_host") else flag.field
        default = DEFAULTS.get(field, _OWN[field].default if field else "")
        if default not in ("", ()):
            self.default = (
                str(default).lower()
                if isinstance(default, bool)
                else ", ".join(default)
                if isinstance(default, tuple)
                else default
            )
            self.show_default = True


class TritonCommand(click.Command):
    """Passes its arguments on as they are; knows the flags for the help and the reference."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep everything."""
        ctx.params = {"arguments": tuple(args)}
        return []

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the flags by section, as tritonserver does."""
        for section in FLAGS:
            with formatter.section(section):
                formatter.write_dl(list(_rows(self.get_params(ctx), section)))


def _rows(parameters: Sequence[click.Parameter], section: str) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        if isinstance(parameter, TritonOption) and parameter.group == section:
            value = "" if parameter.kind == SWITCH else f" <{parameter.kind}>"
            default = f"  [default: {parameter.default}]" if parameter.show_default else ""
            yield f"{parameter.opts[0]}{value}", f"{parameter.help}{default}"


@click.command(
    "triton",
    cls=TritonCommand,
    params=[TritonOption(flag, section) for section, flags in FLAGS.items() for flag in flags],
    add_help_option=False,
    options_metavar="[options]",
)
@click.pass_context
def command(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Serve Triton model repositories with tritonserver's own command line.

    Flags, defaults and log lines are tritonserver's. Write --flag=value or --flag value; a boolean flag without a value
    means true. Flags for features that this server does not have are accepted with a warning.
    """
    began_s = time.perf_counter()
    if any(argument in ("--help", "-h") for argument in arguments):
        click.echo(ctx.get_help())
        return
    try:
        given = read_arguments(arguments, os.environ)
        entries = given.entries()
        set_up_logging(LogOptions.of(given.settings.log))
    except NaiadError as error:
        click.echo(f"{ctx.get_help()}\n\n{_in_tritons_words(error.message)}", err=True)
        sys.exit(1)
    sys.exit(_serve(given, entries, began_s))


def _serve(given: TritonArguments, entries: tuple[Entry, ...], began_s: float) -> int:
    for warning in given.warnings:
        _log.warning("%s", warning)
    progress = LineProgress(logging.getLogger("naiad.download").info)
    fetching = FetchSettings()
    if given.manifest is not None:
        lock = os.environ.get(LOCK_VARIABLE)
        fetching = fetch_settings(given.manifest, Path(lock) if lock else None, progress=progress)
    try:
        return run(entries, given.settings, fetching, began_s, opens_first=False)
    except NaiadError as error:
        message = _in_tritons_words(error.message)
        _log.error("%s", message)
        click.echo(f"error: {message}", err=True)
        return 1


def _in_tritons_words(message: str) -> str:
    """Replace our options in a message by Triton's flags that set them."""
    named = {_OWN[one.field].flag: f"--{one.name}" for one in all_flags() if one.field} | _TLS
    pattern = "|".join(sorted(map(re.escape, named), key=len, reverse=True))
    return re.sub(rf"(?:{pattern})(?![\w-])", lambda match: named[match[0]], message)
