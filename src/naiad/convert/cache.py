"""Where converted graphs are kept, and when one may be used again.

An entry is a folder: `model.onnx`, `model.onnx.data`, `encoder.json`. It is made under another name and renamed into
place, so that nobody ever sees half of one; its name holds a fingerprint of everything that went into it, and
`encoder.json` the digests of what came out. Finding one reads a few small files, and the weights only where it is not
known that they were read before: that is most of what a quick start is made of.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from naiad.core.encoding.encoder import EncoderOutput, EncoderSpec
from naiad.core.errors import LoadFailed
from naiad.core.machine.cache_folders import (
    close_to_others,
    default_cache,
    folders_in_use,
    is_open_to_all,
    is_writable,
    memory_folder,
    set_readers,
    temporary_cache,
    temporary_folder,
)
from naiad.core.machine.file_digests import digests_of, remember

GRAPH = "model.onnx"
DATA = "model.onnx.data"
SPEC = "encoder.json"

_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of a disk that is full or cannot be written; another may do."""

_SMALL_FILES = (
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "router_config.json",
    "model.safetensors.index.json",
)
"""Hashed by content; weights by name, size and time, or by the blob that a Hub cache links to."""


_log = logging.getLogger("naiad.convert")


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted model, ready to open."""

    graph: Path
    spec: EncoderSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in the cache, filled or not."""

    folder: Path
    kind: str
    """Beginning of the folder's name; others that begin alike are older conversions of the same thing."""
    is_private: bool = False
    """Whether this user alone may read it, because others cannot read what it is made of."""
    model: Path | None = None
    """Where it may lie in a temporary folder instead, if the disk does not take it; None: nowhere."""

    def read(self) -> Converted | None:
        """What is there, if it is whole and as it was made; None otherwise."""
        for entry in (self, *self._elsewhere(folders_in_use())):
            if (found := entry._read()) is not None:
                return found
        return None

    def _elsewhere(self, tops: Iterable[Path]) -> Iterator[Entry]:
        """Give the same entry in other folders."""
        for top in tops if self.model is not None else ():
            folder = top / self.model / self.folder.name if self.model is not None else top
            if folder != self.folder:
                yield replace(self, folder=folder, model=None)

    def _read(self) -> Converted | None:
        try:
            document = json.loads((self.folder / SPEC).read_bytes())
            spec = document["spec"]
            outputs = tuple(EncoderOutput(**output) for output in spec.pop("outputs"))
            converted = Converted(self.folder / GRAPH, EncoderSpec(outputs=outputs, **spec))
            expected, actual = document["files"], digests_of(self.folder, (GRAPH, DATA))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if expected != actual:
            _log.warning("%s is not as it was made: its files have changed since; making it again", self.folder)
            return None
        if self.is_private:
            close_to_others(self.folder)
        return converted

    def fill(self, build: Callable[[Path], EncoderSpec]) -> Converted:
        """Have `build` write graph and data into an empty folder, then put it in place.

        Whoever fills the same entry meanwhile does the same work; the first to finish wins. Raises what `build` raises,
        and LoadFailed where the disk does not take the files, nor a temporary folder, nor memory.
        """
        try:
            return self._fill(build)
        except OSError as error:
            problem = error
        may_be_elsewhere = self.model is not None and problem.errno in _NO_PLACE
        for find in (temporary_folder, memory_folder) if may_be_elsewhere else ():
            with contextlib.suppress(OSError):
                for entry in self._elsewhere([find()]):
                    found = entry._read() or entry._fill(build)
                    _log.warning(
                        "%s: the converted model cannot be stored here (%s), so it is kept in %s, which is removed at "
                        "exit. Free some space, or set NAIAD_CACHE to another folder",
                        self.folder.parent,
                        problem.strerror or problem,
                        found.graph.parent,
                    )
                    return found
        raise LoadFailed(
            f"{self.folder.parent}: the converted model cannot be stored here: {problem}. "
            "Free some space, or set NAIAD_CACHE to another folder",
            path=str(self.folder.parent),
        ) from problem

    def _fill(self, build: Callable[[Path], EncoderSpec]) -> Converted:
        """Raise OSError where the disk does not take the files."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".making-") as temporary:
            made = Path(temporary) / "entry"
            made.mkdir()
            spec = asdict(build(made))
            digests = digests_of(made, (GRAPH, DATA), is_passing=True)
            (made / SPEC).write_text(json.dumps({"spec": spec, "files": digests}, indent=1))
            set_readers(made, is_private=self.is_private)
            return self._put_in_place(made, digests)

    def _put_in_place(self, made: Path, digests: Mapping[str, str]) -> Converted:
        if self.folder.exists() and self._read() is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        try:
            made.rename(self.folder)
            remember(self.folder, digests)
        except OSError:
            if self._read() is None:  # otherwise somebody else was quicker, and theirs is as good
                raise
        found = self._read()
        if found is None:
            raise LoadFailed(f"{self.folder}: the converted model changed while it was stored", path=str(self.folder))
        self.forget_older()
        return found

    def forget_older(self) -> None:
        """Remove conversions of the same thing that were made of other weights or by another version."""
        for other in self.folder.parent.glob(f"{self.kind}-*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)


def find_entry(
    folder: Path, *, kind: str, version: int, cache_dir: Path | None, weights: tuple[Path, ...] = ()
) -> Entry:
    """The place for one conversion of a checkpoint: beside the model, or in the user's cache.

    kind: what is converted to what (`embedding-int8`); version: of the builder; weights: files that the key depends on,
    the folder's safetensors if empty. Beside the model means
    `<folder>/.naiad`, unless the folder is not ours to write: read-only, part of an installed package or of the Hub's
    cache. Then, or with cache_dir, a folder for this model under `cache_dir`, `$NAIAD_CACHE` or `~/.cache/naiad`, and
    where that cannot be written, under a temporary one. What is there already is used from a folder that is read-only.
    """
    fingerprint = hashlib.sha256(f"{version}\n".encode())
    for line in _ingredients(folder, weights):
        fingerprint.update(line.encode())
    name = f"{kind}-{fingerprint.hexdigest()[:16]}"
    for place in _candidates(folder, cache_dir):
        if os.access(place / name / SPEC, os.R_OK) or is_writable(place):
            break
    is_private = not is_open_to_all(_sources(folder, weights))
    return Entry(place / name, kind, is_private, None if cache_dir is not None else _model_folder(folder))


def _candidates(folder: Path, cache_dir: Path | None) -> Iterator[Path]:
    """Folders that may hold conversions of a model, the one that is preferred first."""
    model = _model_folder(folder)
    if cache_dir is not None:
        yield cache_dir / model
        return
    if _is_ours(folder):
        yield folder / ".naiad"
    yield default_cache() / model
    yield temporary_cache() / model


def _model_folder(folder: Path) -> Path:
    """Where a model's conversions lie in a cache."""
    where = folder.resolve()
    return Path("converted") / f"{where.name}-{hashlib.sha256(os.fsencode(where)).hexdigest()[:12]}"


def _sources(folder: Path, weights: tuple[Path, ...]) -> tuple[Path, ...]:
    """Files whose numbers the conversion holds."""
    return weights or tuple(path for path in _files(folder) if path.suffix == ".safetensors")


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*"), *folder.glob("[!.]*/*")])


def _ingredients(folder: Path, weights: tuple[Path, ...]) -> Iterator[str]:
    """One line for each file that the conversion depends on."""
    for path in (*weights, *_files(folder)):
        name = path.name if path in weights else path.relative_to(folder)
        if path.name in _SMALL_FILES and path.is_file():
            yield f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        elif path in weights or (not weights and path.suffix == ".safetensors" and path.is_file()):
            status = path.stat()
            moment = path.resolve().name if path.is_symlink() else status.st_mtime_ns
            yield f"{name} {status.st_size} {moment}\n"


def _is_ours(folder: Path) -> bool:
    where = folder.resolve()
    installed = {"site-packages", "dist-packages"} & set(where.parts)
    in_hub_cache = "snapshots" in where.parts and any((parent / "blobs").is_dir() for parent in where.parents)
    return not installed and not in_hub_cache
