"""`naiad explain`: why a model's batches have the size they have, in words; the server watches and knows them."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

import click

WIDEST = 100
"""Columns; longer lines are tiring to read."""


@click.command("explain")
@click.argument("model")
@click.option("--url", default="localhost:8000", show_default=True, help="Address of the server.")
@click.option("--model-version", default="", help="Version of the model.  [default: the server's choice]")
@click.option(
    "--seconds",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 60, min_open=True),
    help="How long to watch before explaining.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the explanation and all figures as one line of JSON.")
def command(model: str, url: str, model_version: str, seconds: float, as_json: bool) -> None:
    """Say why a model's batches have the size they have, what limits its throughput, and what to change.

    The server watches the model for some seconds, so ask while it is being used:

    naiad explain all-MiniLM-L6-v2
    """
    import orjson

    from naiad.client import Client
    from naiad.client.calls import explain, model_path

    with Client(url) as client:
        told = client.send(explain(model_path(model, model_version), seconds), seconds + 30)
    click.echo(orjson.dumps(told).decode() if as_json else shown(told, shutil.get_terminal_size().columns))


def shown(told: Mapping[str, Any], columns: int) -> str:
    """The explanation as a page: a title to the left of each part where there is room, else above it."""
    title = f"{told['model']}, version {told['version']}, watched for {told['seconds']:.2g} s"
    width = min(columns, WIDEST)
    indent = max(map(len, told["parts"])) + 2 if width >= 60 else 2
    pieces = [title, "", textwrap.fill(str(told["headline"]), width), ""]
    for name, words in told["parts"].items():
        first = f"{name:<{indent}}" if width >= 60 else f"{name}\n{'':{indent}}"
        body = textwrap.fill(str(words), width, initial_indent=" " * indent, subsequent_indent=" " * indent)
        pieces.append(first + body[indent:])
    return "\n".join(pieces)
