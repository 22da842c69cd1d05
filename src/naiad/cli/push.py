"""`naiad push`: upload a folder that can be served to the Hugging Face Hub, or to an object store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from naiad.core.errors import InvalidConfiguration
from naiad.repository import (
    HubReference,
    PushSettings,
    StoreReference,
    parse_reference,
    progress_for,
    push,
    push_to_store,
    secret_from_environment,
)


@click.command("push")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET")
@click.option("--private", is_flag=True, help="Hub: make the repository private if it does not exist yet.")
@click.option("--allow-code", is_flag=True, help="Also upload model.py and other Python files.")
@click.option("--task", default="", help="Hub: pipeline tag for the model card, such as text-classification.")
@click.option("--message", default="Upload a servable model", show_default=True, help="Hub: commit message.")
@click.option(
    "--token-env", metavar="VARIABLE", help="Hub: environment variable that holds the token.  [default: HF_TOKEN]"
)
def command(
    folder: Path, target: str, private: bool, allow_code: bool, task: str, message: str, token_env: str | None
) -> None:
    """Upload FOLDER to a repository of the Hub or to an object store.

    TARGET is hf://org/name, s3://bucket/path, gs://bucket/path or as://account/container/path. The Hub gets one commit,
    with a model card if FOLDER has none.
    """
    reference = parse_reference(target)
    if isinstance(reference, StoreReference):
        paths = push_to_store(folder, reference, allow_code=allow_code, progress=progress_for(sys.stderr))
        click.echo(f"pushed {len(paths)} files\nserve them with: naiad serve {reference}")
        return
    if not isinstance(reference, HubReference):
        raise InvalidConfiguration(
            f"{target} is neither a Hub repository nor in an object store; write hf://org/name or s3://bucket/path"
        )
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
