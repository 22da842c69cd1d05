"""`from clearml import StorageManager`, which ClearML's own example files begin with, where clearml is not installed.

Only what such files call while they serve: `get_local_copy`. Everything else of clearml is named as missing.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import types
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

MOST_BYTES = 1 << 30
"""Of one download."""

TIMEOUT_S = 60.0
_PIECE_BYTES = 1 << 20


class StorageManager:
    """Stands in for `clearml.StorageManager`."""

    @classmethod
    def get_local_copy(cls, remote_url: str, *_: Any, **__: Any) -> str:
        """Return the path of a file: itself if it lies on this machine, else a copy of what http(s) gives.

        Raises ValueError for another kind of address, and for what is too large; OSError for what cannot be had.
        """
        parts = urlsplit(str(remote_url))
        if parts.scheme in ("", "file"):
            path = Path(unquote(parts.path) if parts.scheme else str(remote_url))
            if not path.exists():
                raise FileNotFoundError(f"there is no file {path}")
            return str(path)
        if parts.scheme not in ("http", "https"):
            raise ValueError(
                f"StorageManager: '{parts.scheme}' addresses need the package clearml in the endpoint's environment"
            )
        return _download(str(remote_url), Path(parts.path).suffix)


def _download(url: str, suffix: str) -> str:
    answer = urllib.request.urlopen(url, timeout=TIMEOUT_S)  # noqa: S310 - http or https
    with answer, tempfile.NamedTemporaryFile(prefix="naiad-", suffix=suffix, delete=False) as file:
        taken = 0
        while piece := answer.read(_PIECE_BYTES):
            taken += len(piece)
            if taken > MOST_BYTES:
                Path(file.name).unlink()
                raise ValueError(f"StorageManager: {url} is larger than {MOST_BYTES} bytes")
            file.write(piece)
        return file.name


def stand_in() -> None:
    """Let `import clearml` find this, unless there is a real one."""
    if "clearml" in sys.modules or importlib.util.find_spec("clearml") is not None:
        return
    module = types.ModuleType("clearml", "Stands in for clearml, which is not installed here.")
    module.__dict__.update(StorageManager=StorageManager, __getattr__=_missing, __path__=[])
    sys.modules["clearml"] = module


def _missing(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"clearml.{name} is not there: clearml is not installed. Install it in the endpoint's environment, or take the "
        "import out"
    )
