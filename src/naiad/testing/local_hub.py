"""A Hub of one's own, on loopback: for tests and for trying things out without a network.

It speaks as much of the Hugging Face Hub's HTTP interface as the real `huggingface_hub` client uses to list, download
and upload models, keeps everything in memory, counts requests, and misbehaves on demand. Large files are answered, as
on the Hub, by a redirect to a second server (the "CDN"), which must never see a token. It does not speak Xet, but can
say that something else does (`xet_url`).

    with LocalHub() as hub:
        commit = hub.add("org/name", {"config.json": b"{}", "model.safetensors": weights})
        hub.fail_next(429, times=2, retry_after=1)
        ...                                   # HF_ENDPOINT=hub.url, or endpoint=hub.url
        assert hub.count("GET", "/blobs/") == 1

What a request is answered with lives in `hub_answers`; here are the store, the faults and the sockets.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from naiad.testing.hub_answers import HubAnswers
from naiad.testing.hub_server import HubServer, ReceivedRequest

LFS_SUFFIXES = (".safetensors", ".onnx", ".onnx_data", ".bin", ".h5", ".pt", ".tflite", ".msgpack", ".pb")


@dataclass(slots=True)
class Repository:
    """One model repository: commits are whole trees, branches and tags point at them."""

    repo_id: str
    is_private: bool = False
    is_gated: bool = False
    tokens: frozenset[str] = frozenset()
    """Tokens that may read a private or gated repository."""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit_of(self, revision: str) -> str | None:
        """Commit of a branch, a tag, or a commit itself; None if there is no such revision."""
        if revision in self.commits:
            return revision
        return self.branches.get(revision) or self.tags.get(revision)

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Make a tree the newest of its branch and give the commit's name."""
        digest = hashlib.sha1(f"{self.repo_id} {len(self.commits)}".encode(), usedforsecurity=False)
        for path in sorted(files):
            digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
        name = digest.hexdigest()
        self.commits[name] = dict(files)
        self.branches[branch] = name
        return name


@dataclass(slots=True)
class Fault:
    """Something to do wrong, to requests whose path contains `path`, so many times."""

    kind: str
    """"status", "cut", "stall" or "corrupt"."""
    path: str
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0


class LocalHub:
    """The server; a context manager. Its methods may be called from any thread."""

    def __init__(self, *, lfs_suffixes: tuple[str, ...] = LFS_SUFFIXES) -> None:
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        """Large files sent but perhaps not committed, by sha256."""
        self.requests: list[ReceivedRequest] = []
        """Every request so far, to the Hub and to its CDN, faults included."""
        self.writers: set[str] = set()
        """Tokens that may create and change repositories."""
        self.lfs_suffixes = lfs_suffixes
        self.gives_sizes = True
        """False: lists names only, as some mirrors do."""
        self.xet_url = ""
        """Where to send clients for Xet; what is there is not this class's business, and usually nothing is."""
        self.is_stalled = threading.Event()
        """Set when a body has come to the point where `stall_next` stops it."""
        self.goes_on = threading.Event()
        """Set by `mend` and at the end: stalled bodies are cut."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._main = HubServer(self, HubAnswers)
        self._cdn = HubServer(self, HubAnswers)

    @property
    def url(self) -> str:
        """What to give as HF_ENDPOINT or `endpoint=`."""
        return self._main.url

    @property
    def cdn_url(self) -> str:
        """Where large files come from."""
        return self._cdn.url

    def add(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str | Path],
        *,
        branch: str = "main",
        is_private: bool = False,
        is_gated: bool = False,
        tokens: tuple[str, ...] = (),
    ) -> str:
        """Commit a tree (path → content, or a Path to read) to a branch; give the commit. Makes the repository."""
        with self._lock:
            repository = self.repositories.setdefault(repo_id, Repository(repo_id))
            repository.is_private, repository.is_gated = is_private, is_gated
            repository.tokens = frozenset(tokens)
            return repository.commit({path: _content(value) for path, value in files.items()}, branch)

    def add_folder(self, repo_id: str, folder: Path, *, branch: str = "main") -> str:
        """Commit every file below a folder."""
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return self.add(repo_id, {path.relative_to(folder).as_posix(): path for path in paths}, branch=branch)

    def tag(self, repo_id: str, name: str, commit: str) -> None:
        """Give a commit a second name."""
        self.repositories[repo_id].tags[name] = commit

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds."""
        repository = self.repositories[repo_id]
        return repository.commits[repository.commit_of(revision) or ""]

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests had this method (empty: any) and a path that contains this text."""
        return sum(method in ("", request.method) and path in request.path for request in self.requests)

    def fail_next(self, status: int, *, times: int = 1, path: str = "", retry_after: int | None = None) -> None:
        """Answer the next requests (whose path contains `path`) with an error status."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._faults.append(Fault("status", path, times, status=status, headers=headers))

    def cut_next(self, path: str, *, after_bytes: int, times: int = 1) -> None:
        """Break the connection in the middle of the next bodies of this file."""
        self._faults.append(Fault("cut", path, times, after_bytes=after_bytes))

    def stall_next(self, path: str, *, after_bytes: int) -> None:
        """Let the next body of this file hang in the middle, until `mend` or the end; see `is_stalled`."""
        self.is_stalled.clear()
        self.goes_on.clear()
        self._faults.append(Fault("stall", path, 1, after_bytes=after_bytes))

    def corrupt_next(self, path: str, *, times: int = 1) -> None:
        """Send the next bodies of this file with one byte changed, the length being right."""
        self._faults.append(Fault("corrupt", path, times))

    def mend(self) -> None:
        """Forget all faults that are still to come."""
        self._faults.clear()
        self.goes_on.set()

    def take_fault(self, path: str, kinds: tuple[str, ...]) -> Fault | None:
        """The fault that this request meets, if any; counts it down. For the handler."""
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.kind in kinds and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    @contextmanager
    def refused_connections(self) -> Iterator[None]:
        """Within the block nobody listens on the hub's port, and open connections are broken."""
        self._main.stop()
        self._cdn.stop()
        try:
            yield
        finally:
            self._main.start()
            self._cdn.start()

    def __enter__(self) -> Self:
        self._main.start()
        self._cdn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.goes_on.set()
        self._main.stop()
        self._cdn.stop()


def _content(value: bytes | str | Path) -> bytes:
    if isinstance(value, Path):
        return value.read_bytes()
    return value.encode() if isinstance(value, str) else value
