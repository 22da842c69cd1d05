"""What a server's manifest means for its pods: the texts that they get, and the tokens that they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository import FolderReference, Manifest, Secret, read_manifest

MOST_BYTES = 1_000_000
"""A ConfigMap holds a MiB, with its names."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into the ConfigMap, and what must be there beside it."""

    manifest: str
    """The text of naiad.yaml."""
    lock: str = ""
    """The text of naiad.lock; empty: there is none, and pods look up what branches point to when they start."""
    variables: tuple[str, ...] = ()
    """That hold the tokens of models."""


def read_contents(path: Path, lock: Path) -> Contents:
    """Read a manifest for pods. lock: its lock file, if it exists.

    Tokens need not be there: pods have them from a secret. Raises what `read_manifest` raises, and
    InvalidConfiguration for what a pod could not do: read a folder of this machine.
    """
    if path.suffix == ".json":
        raise InvalidConfiguration(f"{path}: write a naiad.yaml; of the older format, nothing is written for pods")
    manifest = read_manifest(path, lambda variable: Secret("elsewhere", variable))
    _check_sources(manifest, path)
    text = path.read_text("utf-8-sig")
    locked = lock.read_text("utf-8") if lock.is_file() else ""
    if (size := len(text.encode()) + len(locked.encode())) > MOST_BYTES:
        raise InvalidConfiguration(
            f"{path.name} and its lock file have {size} bytes; a ConfigMap holds {MOST_BYTES}. Split the models "
            "between two servers"
        )
    return Contents(text, locked, _variables(manifest))


def _check_sources(manifest: Manifest, path: Path) -> None:
    for model in manifest.models:
        if isinstance(model.source, FolderReference):
            raise InvalidConfiguration(
                f"{path.name}: {model.source} is a folder of this machine, which no pod has. Put the model into an "
                f"object store, and name that: naiad push {model.source} s3://bucket/path",
                source=str(model.source),
            )
    for entry in manifest.endpoints:
        raise InvalidConfiguration(
            f"{path.name}: endpoint '{entry.endpoint.name}' is made of {entry.files[0]}, which is on this machine "
            "and in no pod; build an image that has naiad.yaml and what it names, or leave the endpoint out",
            endpoint=entry.endpoint.name,
        )


def _variables(manifest: Manifest) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.token.origin for entry in manifest.models if entry.token is not None))


def lock_beside(manifest: Path, lock: Path | None, default: str) -> Path:
    """Return the lock file: the one that is named, or the one next to the manifest, which need not exist.

    Raises NotFound.
    """
    if lock is None:
        return manifest.parent / default
    if not lock.is_file():
        raise NotFound(f"there is no lock file {lock}; `naiad pull` writes it")
    return lock
