"""`naiad pull`: download and lock, so that a later `serve` starts without the network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from naiad.cli.sources import entries_of, fetch_settings, source_options
from naiad.core.errors import NaiadError
from naiad.repository import (
    FolderReference,
    ModelEntry,
    Reference,
    carry,
    check_target,
    fetch,
    parse_reference,
    progress_for,
    recognise,
)


@click.command("pull")
@click.argument("sources", nargs=-1, metavar="[NAME=]SOURCE...")
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    help="Also copy each model into a folder of its name below this folder or object store (s3://bucket/path).",
)
@source_options
def command(
    sources: tuple[str, ...],
    target: str | None,
    manifest: Path | None,
    lock: Path | None,
    update: bool,
    verify: bool,
    offline: bool,
) -> None:
    """Download models and write naiad.lock without serving them.

    SOURCE is the same as for `naiad serve`; without one, the models listed in ./naiad.yaml are downloaded. If a model
    cannot be downloaded, the others still are, and the exit status is 1.
    """
    manifest, entries = entries_of(sources, manifest)
    place = None if target is None else _place(target)
    if place is not None:
        check_target(place)
    fetching = fetch_settings(manifest, lock, update, verify, offline, progress=progress_for(sys.stderr))
    failed = 0
    for entry in (one for one in entries if isinstance(one, ModelEntry)):
        try:
            fetched = fetch(entry, fetching)
            recognise(fetched.folder, onnx=entry.onnx_file)
            carried = place and carry(fetched, entry.name or entry.source.default_name, place, fetching.progress)
        except NaiadError as error:
            failed += 1
            _tell(entry, error.message)
            continue
        for notice in fetched.notices:
            _tell(entry, notice)
        click.echo(fetched.origin)
        if carried is not None:
            click.echo(f"serve it with: naiad serve {carried}")
    if failed:
        sys.exit(1)


def _place(target: str) -> Reference:
    """What is no URL is a folder, whether or not there is one of that name. Raises InvalidConfiguration."""
    return parse_reference(target) if "://" in target else FolderReference(Path(target).absolute())


def _tell(entry: ModelEntry, sentence: str) -> None:
    """Print a sentence after the name of its model, unless it begins with that already."""
    source = str(entry.source)
    label = entry.name or ("" if sentence.startswith(source) else source)
    click.echo(f"naiad: {label}: {sentence}" if label else f"naiad: {sentence}", err=True)
