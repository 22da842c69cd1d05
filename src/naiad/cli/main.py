"""`naiad`: the command line. One file per command; this one only gathers them and prints errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from naiad import __version__
from naiad.cli.own_ca import use_own_ca
from naiad.core.errors import NaiadError

COMMANDS = {
    "serve": "Serve models over HTTP and gRPC.",
    "triton": "Serve Triton model repositories with tritonserver's command line.",
    "pull": "Download and lock models without serving them.",
    "convert": "Convert a checkpoint, check its answers and write a folder to serve.",
    "convert-model": "Convert a model with transformer-deploy's command line.",
    "manifests": "Write Kubernetes manifests for the models of a naiad.yaml.",
    "containerize": "Write a Dockerfile for the models of a manifest.",
    "push": "Upload a servable folder to the Hugging Face Hub or an object store.",
    "infer": "Send one request to a running server.",
    "health": "Ask a server whether it is ready or live; for probes.",
    "explain": "Say why a model's batches have the size they have.",
}
"""The name and the line in `naiad --help`; each is in the module of its name, which is imported when it is called."""


def module_of(command: str) -> str:
    """Return the module in which a command lives."""
    return f"naiad.cli.{command.replace('-', '_')}"


class LazyGroup(click.Group):
    """Imports a command only when it is asked for, so that `naiad --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all commands, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(module_of(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the list without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="naiad")
def group() -> None:
    """Serve Hugging Face models and Triton repositories."""
    use_own_ca()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of ours become one line and exit status 1."""
    try:
        group.main(args=None if arguments is None else list(arguments), prog_name="naiad", standalone_mode=True)
    except NaiadError as error:
        click.echo(f"naiad: {error.message}", err=True)
        sys.exit(1)
