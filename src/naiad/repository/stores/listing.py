"""What a store says it has below a path, and what models that makes: pure, by names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from naiad.core.errors import InvalidConfiguration
from naiad.repository.checkpoint import CONFIG
from naiad.repository.checkpoint.modules import MODULES
from naiad.repository.layout import CONFIG_FILE, VERSION
from naiad.repository.names import check_relative_path


@dataclass(frozen=True, slots=True, order=True)
class StoredFile:
    """One object."""

    path: str
    """Below the listed folder."""
    size_bytes: int
    tag: str
    """What changes with its content: ETag, generation or both, as the store has them; else when it was written."""

    @property
    def is_version(self) -> bool:
        """Whether it marks a version's folder that has no files, as backends without a model file have it."""
        return not self.size_bytes and VERSION.fullmatch(self.path) is not None


@dataclass(frozen=True, slots=True)
class Listing:
    """Every object of a folder, sorted by path."""

    files: tuple[StoredFile, ...]

    @classmethod
    def of(cls, files: Iterable[StoredFile]) -> Listing:
        """Keep what belongs to models: hidden files go, and the empty objects by which consoles mark folders.

        Their names end in a slash, which clients may leave out.
        """
        visible = sorted((file for file in files if not _is_hidden(file.path)), reverse=True)  # a/ before a
        named = {file.path.removesuffix("/"): file for file in visible}
        folders = {"", *(path.rpartition("/")[0] for path in named)}
        folders |= {above for path in folders for above in _above(path)}
        markers = {path for path in folders & named.keys() if path != named[path].path or not named[path].size_bytes}
        return cls(tuple(sorted(replace(file, path=path) for path, file in named.items() if path not in markers)))

    def check(self) -> None:
        """See that the files can lie in a folder. Raises InvalidConfiguration for one that cannot."""
        paths = {check_relative_path(file.path) for file in self.files}
        for path in paths:
            parts = path.split("/")
            if any("/".join(parts[:count]) in paths for count in range(1, len(parts))) or "" in parts:
                raise InvalidConfiguration(f"'{path}' cannot lie in a folder, because a part of its path is a file too")

    @property
    def digest(self) -> str:
        """Stands for names, sizes and contents of all files."""
        lines = "\n".join(f"{file.path}\0{file.size_bytes}\0{file.tag}" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def is_checkpoint(self) -> bool:
        """Whether a Hugging Face checkpoint lies there."""
        names = {file.path for file in self.files}
        return CONFIG_FILE not in names and not names.isdisjoint((CONFIG, MODULES))

    @property
    def is_model(self) -> bool:
        """Whether a Triton model lies there: config.pbtxt, or a file in a version's folder."""
        return any(
            file.path == CONFIG_FILE or ("/" in file.path and VERSION.fullmatch(file.path.split("/", 1)[0]))
            for file in self.files
        )

    def children(self) -> Mapping[str, Listing]:
        """The folders that lie there, by name, each with what is below it."""
        below: dict[str, list[StoredFile]] = {}
        for file in self.files:
            folder, slash, rest = file.path.partition("/")
            if slash:
                below.setdefault(folder, []).append(replace(file, path=rest))
        return {name: Listing(tuple(files)) for name, files in below.items()}


def _above(path: str) -> Iterator[str]:
    """The folders that a folder lies in."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
