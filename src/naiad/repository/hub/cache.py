"""huggingface_hub's cache on the disk, read without that library: where files lie and whether they are whole.

    models--org--name/refs/<branch>              the commit a branch meant last time
    models--org--name/snapshots/<commit>/<path>  links to
    models--org--name/blobs/<etag>               contents; the etag is the sha256 (large) or git's blob id (small);
                                                 those that came by Xet link on to blobs/ at the top of the cache

This is what lets a start ask nobody. Downloading is `download`'s; what is expected of a file stands in the lock.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from naiad.core.machine.cache_folders import close_to_others, private_folder
from naiad.core.machine.file_digests import GIT_BLOB, SHA256, digest_of
from naiad.repository.names import check_relative_path, resolve_inside

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository, as the Hub or the lock describes it."""

    path: str
    """Relative to the repository's root."""
    size_bytes: int
    """UNKNOWN where a Hub does not say."""
    sha256: str = ""
    """Checksum of the content; the Hub gives it for large files, the lock for all."""
    blob_id: str = ""
    """Git's sha1 of small files; of large ones only of their pointer, and of no use here."""

    def __post_init__(self) -> None:
        check_relative_path(self.path)

    @property
    def etag(self) -> str:
        """Its name in `blobs`, if known."""
        return self.sha256 or self.blob_id


@dataclass(frozen=True, slots=True)
class CachedRepository:
    """One model repository's corner of the cache."""

    cache_dir: Path
    repo_id: str

    @property
    def folder(self) -> Path:
        """Everything about this repository."""
        return self.cache_dir / ("models--" + self.repo_id.replace("/", "--"))

    def snapshot(self, commit: str) -> Path:
        """Folder of one commit's files."""
        return self.folder / "snapshots" / commit

    def blob(self, etag: str) -> Path:
        """Where a content lies."""
        return self.folder / "blobs" / etag

    def unfinished(self, etag: str) -> Path:
        """Where a content grows while it is downloaded, and stays if the download breaks off."""
        return self.folder / "blobs" / f"{etag}.naiad.incomplete"

    def has_content(self, file: HubFile) -> bool:
        """Whether the file's content is here already, perhaps for another commit."""
        etag = file.sha256 or file.blob_id
        return bool(etag) and self.blob(etag).is_file()

    def bytes_to_come(self, files: Iterable[HubFile]) -> int:
        """How much of the files' contents has to be downloaded still, as far as sizes are known."""
        return sum(max(0, file.size_bytes - self._bytes_here(file)) for file in files if not self.has_content(file))

    def _bytes_here(self, file: HubFile) -> int:
        """How much of an unfinished download there is."""
        with contextlib.suppress(OSError):
            return self.unfinished(file.sha256 or file.blob_id).stat().st_size
        return 0

    def lock(self, etag: str) -> Path:
        """The lock that huggingface_hub itself holds while it downloads this content."""
        return self.cache_dir / ".locks" / self.folder.name / f"{etag}.lock"

    def commit_of(self, revision: str) -> str:
        """The commit that a revision meant when it was last asked for, or empty."""
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision if self.snapshot(revision).is_dir() else ""
        with contextlib.suppress(OSError):
            commit = (self.folder / "refs" / check_relative_path(revision)).read_text("ascii", "replace").strip()
            return commit if re.fullmatch(r"[0-9a-f]{40}", commit) else ""
        return ""

    def note_commit(self, revision: str, commit: str) -> None:
        """Remember what a revision means, for other programs that use the cache and for when the Hub is down."""
        if revision == commit:
            return
        path = self.folder / "refs" / check_relative_path(revision)
        with contextlib.suppress(OSError):  # a read-only cache serves as well
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name}.{os.getpid()}")
            scratch.write_text(commit)
            scratch.replace(path)

    def files(self, commit: str) -> list[HubFile]:
        """What is in the cache of a commit, described by the names of the blobs alone."""
        snapshot, found = self.snapshot(commit), []
        for path in sorted(snapshot.rglob("*")):
            if path.is_file():
                # Its first link only: the content may be shared between repositories under a name of Xet's own.
                etag = path.readlink().name if path.is_symlink() else ""
                sha256, blob_id = (etag if re.fullmatch(f"[0-9a-f]{{{n}}}", etag) else "" for n in (64, 40))
                relative = path.relative_to(snapshot).as_posix()
                found.append(HubFile(relative, path.stat().st_size, sha256, blob_id))
        return found

    def fault_of(self, commit: str, file: HubFile, *, anew: bool = False) -> str:
        """What is wrong with a cached file: empty, "missing", or a sentence about its size or checksum.

        anew: read it, also if it is the same file as when it was read before.
        """
        path = self.snapshot(commit) / file.path
        try:
            size = resolve_inside(self.snapshot(commit), file.path, self.cache_dir).stat().st_size
        except OSError:
            return "missing"
        if file.size_bytes not in (size, UNKNOWN):
            return f"has {size} bytes instead of {file.size_bytes}"
        return content_fault(path, file, anew=anew)

    def close_to_others(self) -> None:
        """Let this user alone read the repository's folder and all contents in it, also those that were there before.

        Raises OSError where it cannot be made.
        """
        private_folder(self.folder)
        for blob in self.folder.glob("blobs/*"):
            close_to_others(blob)

    def remove(self, commit: str, path: str) -> None:
        """Take a damaged file out of the cache: its content and all links to it."""
        for step in list(_chain(self.snapshot(commit) / path)):
            if Path(os.path.realpath(step.parent)).is_relative_to(os.path.realpath(self.cache_dir)):
                step.unlink(missing_ok=True)


def _chain(path: Path) -> Iterator[Path]:
    """A path and what it links to, step by step."""
    for _ in range(4):  # snapshot, blob, shared blob; and no end to loops
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def content_fault(path: Path, file: HubFile, *, anew: bool = False) -> str:
    """Compare a file's content with its sha256, or with git's blob id; empty if it is right or neither is known."""
    kind, expected = (SHA256, file.sha256) if file.sha256 else (GIT_BLOB, file.blob_id)
    if not expected:
        return ""
    actual = digest_of(path, kind, anew=anew)
    return "" if actual == expected else f"has {kind} {actual[:12]}… instead of {expected[:12]}…"


def total_bytes(files: Iterable[HubFile]) -> int:
    """Their sizes together, as far as they are known."""
    return sum(max(0, file.size_bytes) for file in files)
