"""What every source takes and gives, so that whoever loads models need not know where they come from.

Smallest implementation: `local`. What is asked for is a `manifest.entry.ModelEntry`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.progress import Progress, SilentProgress
from naiad.repository.reference import Reference


def _nothing() -> None:
    """Release what need not be released."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """One file of a model, as it lies on the disk."""

    path: str
    """Relative to the fetched folder."""
    size_bytes: int
    sha256: str = ""
    """Known for what came from the Hub."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files, on this machine."""

    folder: Path
    reference: Reference
    commit: str | None
    """Hub only."""
    files: tuple[FetchedFile, ...]
    """Hub: those chosen; other files of the folder belong to other programs. Else empty: the folder is what counts."""
    origin: str
    """A sentence for the log."""
    notices: tuple[str, ...] = ()
    """What the user should be told: a fallback, files left out, a lock that could not be written."""
    release: Callable[[], None] = field(default=_nothing, compare=False)
    """Called when the folder is not read any more; before that nobody removes it."""


def _knows_nothing(config: Mapping[str, Any]) -> bool:  # noqa: ARG001 (the shape is the contract)
    return False


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How to fetch; the same for all models of one start."""

    lock_path: Path | None = None
    """naiad.lock; None: neither read nor written."""
    update: bool = False
    """Move on to what branches and tags mean now; else the lock decides."""
    verify: bool = False
    """Read cached files to compare checksums, also those that are unchanged since that was done."""
    is_offline: bool = False
    """Ask nobody; HF_HUB_OFFLINE means the same."""
    builder_knows: Callable[[Mapping[str, Any]], bool] = _knows_nothing
    """Whether our graph builder knows the architecture of this config.json; decides between safetensors and ONNX."""
    progress: Progress = field(default_factory=SilentProgress)
    cache_dir: Path | None = None
    """Hub cache; None: HF_HUB_CACHE, HF_HOME, or huggingface_hub's own default."""
    endpoint: str | None = None
    """Hub; None: HF_ENDPOINT or the public Hub."""
    sleep: Callable[[float], None] = time.sleep
    """Between attempts."""
    free_bytes: Callable[[Path], int] = _free_bytes
    """Free space of the disk that a folder is on."""


class Source(Protocol):
    """One kind of place where models come from."""

    def fetch(self, entry: ModelEntry, settings: FetchSettings) -> Fetched:
        """Bring the entry's model onto this machine, or find it there. Blocks; called off the event loop.

        Raises NotFound, DownloadFailed or InvalidConfiguration; never lets go of what is already downloaded.
        """
        ...
