"""`naiad push`: upload a folder that can be served, with a model card, to the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from naiad.core.errors import InvalidConfiguration
from naiad.repository import HubReference, PushSettings, parse_reference, progress_for, push, secret_from_environment


@click.command("push")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("target", metavar="hf://ORG/NAME")
@click.option("--private", is_flag=True, help="Make the repository private if it does not exist yet.")
@click.option("--allow-code", is_flag=True, help="Also upload model.py and other Python files.")
@click.option("--task", default="", help="Pipeline tag for the model card, such as text-classification.")
@click.option("--message", default="Upload a servable model", show_default=True, help="Commit message.")
@click.option("--token-env", metavar="VARIABLE", help="Environment variable that holds the token.  [default: HF_TOKEN]")
def command(
    folder: Path, target: str, private: bool, allow_code: bool, task: str, message: str, token_env: str | None
) -> None:
    """Upload FOLDER to the Hub in one commit, with a model card if it has none."""
    reference = parse_reference(target)
    if not isinstance(reference, HubReference):
        raise InvalidConfiguration(f"{target} is not a Hub repository; write hf://org/name")
    settings = PushSettings(
        token=secret_from_environment(token_env) if token_env else None,
        is_private=private,
        allow_code=allow_code,
        task=task,
        message=message,
        progress=progress_for(sys.stderr),
    )
    pushed = push(folder, reference, settings)
    click.echo(f"pushed {len(pushed.files)} files: {pushed.url}")
    click.echo(f"serve them with: naiad serve {pushed.reference}")
