"""Starts a worker: `python FOLDER RUN SIDE PARENT`, two descriptors and the process that must live for this one to.

Run by its path, so that the worker's Python needs nothing of the server's. The package then goes by the name
`naiad_worker`, which no model's own module has.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

OLDEST = (3, 9)

PACKAGE = "naiad_worker"


def main() -> None:
    """Take the package in under its name, and serve."""
    if sys.version_info < OLDEST:
        sys.exit(f"a Python model needs Python {OLDEST[0]}.{OLDEST[1]} or newer, not {sys.version.split()[0]}")
    folder = Path(__file__).parent
    sys.path[:] = [one for one in sys.path if one != str(folder)]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    importlib.import_module(f"{PACKAGE}.serving").main(*map(int, sys.argv[1:4]))


if __name__ == "__main__":
    main()
