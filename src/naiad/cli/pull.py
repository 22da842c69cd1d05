"""`naiad pull`: download and lock, so that a later `serve` starts without the network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from naiad.cli.sources import entries_of, fetch_settings, source_options
from naiad.core.errors import NaiadError
from naiad.repository import ModelEntry, fetch, progress_for, recognise


@click.command("pull")
@click.argument("sources", nargs=-1, metavar="[NAME=]SOURCE...")
@source_options
def command(
    sources: tuple[str, ...], manifest: Path | None, lock: Path | None, update: bool, verify: bool, offline: bool
) -> None:
    """Download models and write naiad.lock without serving them.

    SOURCE is the same as for `naiad serve`; without one, the models listed in ./naiad.yaml are downloaded. If a model
    cannot be downloaded, the others still are, and the exit status is 1.
    """
    manifest, entries = entries_of(sources, manifest)
    fetching = fetch_settings(manifest, lock, update, verify, offline, progress_for(sys.stderr))
    failed = 0
    for entry in (one for one in entries if isinstance(one, ModelEntry)):
        try:
            fetched = fetch(entry, fetching)
            recognise(fetched.folder, onnx=entry.onnx_file)
        except NaiadError as error:
            failed += 1
            _tell(entry, error.message)
            continue
        for notice in fetched.notices:
            _tell(entry, notice)
        click.echo(fetched.origin)
    if failed:
        sys.exit(1)


def _tell(entry: ModelEntry, sentence: str) -> None:
    """Print a sentence after the name of its model, unless it begins with that already."""
    source = str(entry.source)
    label = entry.name or ("" if sentence.startswith(source) else source)
    click.echo(f"naiad: {label}: {sentence}" if label else f"naiad: {sentence}", err=True)
