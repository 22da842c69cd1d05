"""The options and arguments that say which models are meant; `serve` and `pull` share them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from naiad.core.errors import InvalidConfiguration
from naiad.loading.fetching import LOCK, settings_for
from naiad.repository import Entry, FetchSettings, ModelEntry, Progress, read_manifest

MANIFEST = "naiad.yaml"
LOCK_VARIABLE = "NAIAD_LOCK"
"""Stands for --lock, where the manifest's own folder cannot be written, as in containers."""


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options about where models come from."""
    for decorator in (
        click.option("--offline", is_flag=True, help="Use only what is cached; never use the network."),
        click.option(
            "--verify",
            is_flag=True,
            help="Read all cached files to check their checksums, also those that are unchanged since the last time.",
        ),
        click.option("--update", is_flag=True, help="Update to what branches and tags point to now, and lock that."),
        click.option(
            "--lock",
            type=click.Path(path_type=Path),
            envvar=LOCK_VARIABLE,
            help=f"Lock file, also ${LOCK_VARIABLE}.  [default: naiad.lock next to the manifest]",
        ),
        click.option(
            "--manifest",
            type=click.Path(path_type=Path),
            help="Manifest that lists the models.  [default: ./naiad.yaml]",
        ),
    ):
        command = decorator(command)
    return command


def entries_of(
    sources: tuple[str, ...], manifest: Path | None, *, needs_some: bool = True
) -> tuple[Path | None, tuple[Entry, ...]]:
    """Return the manifest's path, if one was read, and the models to serve.

    Sources on the command line replace ./naiad.yaml; --manifest adds to them. Raises InvalidConfiguration when nothing
    says what to serve, unless there may be none.
    """
    entries: tuple[Entry, ...] = tuple(ModelEntry.from_source(source) for source in sources)
    if manifest is None and not sources and needs_some:
        manifest = Path(MANIFEST)
        if not manifest.is_file():
            raise InvalidConfiguration(
                "nothing to serve: name a model (naiad serve org/name, or a folder), or list models in ./naiad.yaml"
            )
    if manifest is not None:
        entries += read_manifest(manifest).entries
    return manifest, entries


def fetch_settings(
    manifest: Path | None,
    lock: Path | None,
    update: bool = False,
    verify: bool = False,
    offline: bool = False,
    *,
    progress: Progress,
) -> FetchSettings:
    """Return how to fetch; the lock file is next to the manifest, or in the working directory."""
    folder = manifest.parent if manifest is not None else Path()
    return settings_for(lock or folder / LOCK, progress, update=update, verify=verify, is_offline=offline)
