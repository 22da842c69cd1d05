"""`naiad.lock`: which bytes each Hub source stands for, so that the next start serves the same ones.

A YAML file for people to read and to keep under version control: sorted, stable, rewritten only when something has
changed, and then at one stroke. It holds nothing secret.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.repository.hub.cache import HubFile
from naiad.repository.hub.choose import Selection
from naiad.repository.manifest.fields import Fields, Position

_VERSION = 1
_WRITING = threading.Lock()
"""Models are fetched side by side, and a lock is read, changed and written as a whole."""
_HEAD = (
    "# Written by naiad: the bytes that each source stands for. Keep it under version control.\n"
    "# `naiad pull --update` moves on to newer ones.\n"
)


@dataclass(frozen=True, slots=True)
class LockedSource:
    """One source as it was when it was fetched."""

    reference: str
    """In HubReference's own spelling."""
    commit: str
    selection: Selection
    files: tuple[HubFile, ...]
    """Each with size and sha256; paths are those in the repository."""

    @property
    def key(self) -> tuple[str, Selection]:
        """Two entries of a manifest may want different files of one source."""
        return self.reference, self.selection


def read_lock(path: Path) -> dict[tuple[str, Selection], LockedSource]:
    """What a lock file says; empty if there is none. Raises InvalidConfiguration if it cannot be understood."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        place = Position(path.name)
        top = Fields(document, place, ("version", "sources"))
        if top.whole("version") != _VERSION:
            raise place.at("version").refuse(f"this naiad reads version {_VERSION}")
        items = enumerate(document.get("sources") or [])
        locked = [_source(item, place.at("sources").at(index)) for index, item in items]
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, InvalidConfiguration, RecursionError) as error:
        reason = error.message if isinstance(error, InvalidConfiguration) else str(error)
        raise InvalidConfiguration(
            f"the lock {path} cannot be used: {reason}; mend it, or delete it and run `naiad pull`", file=str(path)
        ) from error
    return {source.key: source for source in locked}


def write_lock(path: Path, source: LockedSource) -> None:
    """Put one source into a lock file, keeping the others. Raises OSError if the place cannot be written."""
    with _WRITING:
        sources = read_lock(path)
        if sources.get(source.key) != source:
            sources[source.key] = source
            _replace(path, sources)


def _replace(path: Path, sources: Mapping[tuple[str, Selection], LockedSource]) -> None:
    text = _HEAD + _dump(sorted(sources.values(), key=lambda each: (each.reference, str(each.selection))))
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _source(document: object, place: Position) -> LockedSource:
    keys = Fields(document, place, ("reference", "commit", "weights", "allow", "ignore", "allow_code", "files"))
    commit = keys.text("commit")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise place.at("commit").refuse(f"'{commit}' is not a commit (40 hexadecimal digits)")
    selection = Selection(
        keys.text("weights", "auto"), keys.texts("allow"), keys.texts("ignore"), keys.flag("allow_code")
    )
    files = [_file(path, entry, place.at("files")) for path, entry in keys.mapping("files").items()]
    if not files:
        raise place.refuse("has no files")
    return LockedSource(keys.text("reference"), commit, selection, tuple(files))


def _file(path: str, document: object, place: Position) -> HubFile:
    keys = Fields(document, place.at(path), ("size", "sha256"))
    sha256 = keys.text("sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise keys.place.at("sha256").refuse("must be 64 hexadecimal digits")
    return HubFile(path, keys.whole("size"), sha256)


def _dump(sources: list[LockedSource]) -> str:
    import yaml

    document = {"version": _VERSION, "sources": [_document(source) for source in sources]}
    return str(yaml.safe_dump(document, sort_keys=False, width=160, default_flow_style=None, allow_unicode=True))


def _document(source: LockedSource) -> Mapping[str, Any]:
    selection = source.selection
    extras: dict[str, Any] = {"weights": selection.weights} if selection.weights != "auto" else {}
    extras |= {"allow": list(selection.allow)} if selection.allow else {}
    extras |= {"ignore": list(selection.ignore)} if selection.ignore else {}
    extras |= {"allow_code": True} if selection.allow_code else {}
    files = {file.path: {"size": file.size_bytes, "sha256": file.sha256} for file in sorted(source.files, key=_path)}
    return {"reference": source.reference, "commit": source.commit, **extras, "files": files}


def _path(file: HubFile) -> str:
    return file.path
