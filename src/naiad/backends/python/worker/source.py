"""A model's own files are compiled anew by each worker, from what they say now.

Python keeps what it has compiled in `__pycache__`, and takes it for that of a file with the same size and the same
second of change: new code that is put in place within a second, or with a fixed time as images and archives have it,
would not be read.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import machinery
from pathlib import Path
from typing import Any, Optional


class FromSource(machinery.SourceFileLoader):
    """Reads and writes no `__pycache__`."""

    def get_code(self, fullname: str) -> Any:
        """Compile the file."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_KINDS = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (FromSource, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


def spec_from_source(name: str, path: Path, inner: Optional[list[str]] = None) -> Any:  # noqa: UP045 - Python 3.9
    """How to import one file so, under a name; None for what is no Python file. inner: where a package's files lie."""
    loader = FromSource(name, str(path)) if path.suffix == ".py" else None
    return importlib.util.spec_from_file_location(name, path, loader=loader, submodule_search_locations=inner)


def import_from_source(folder: str) -> None:
    """Have what lies below a folder imported so, but for Python itself and libraries where they are installed there."""
    below = Path(folder).resolve()
    environment = Path(sys.prefix).resolve()
    inner = environment if below in environment.parents else None

    def finder(path: str) -> machinery.FileFinder:
        place = Path(path).resolve()
        around = (place, *place.parents)
        if below not in around or inner in around or "site-packages" in place.parts:
            raise ImportError(path)
        return machinery.FileFinder(path, *_KINDS)

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()
