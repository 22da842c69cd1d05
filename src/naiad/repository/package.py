"""Source: a folder inside an installed Python package, found without importing anything.

Models shipped as packages are how closed networks move them. Loading a model must run no foreign code, so the package
is looked up on the path by name alone; `importlib.util.find_spec` would import the parents of a dotted name.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, NotFound
from naiad.repository.contract import Fetched, FetchSettings
from naiad.repository.layout import recognise
from naiad.repository.manifest.entry import ModelEntry
from naiad.repository.names import resolve_inside
from naiad.repository.reference import PackageReference


class PackageSource:
    """Finds the folder; the package's own code never runs."""

    def fetch(self, entry: ModelEntry, settings: FetchSettings) -> Fetched:  # noqa: ARG002 (the contract's shape)
        """See Source."""
        reference = entry.source
        if not isinstance(reference, PackageReference):
            raise InvalidConfiguration(f"{reference} is not a package", reference=str(reference))
        folder = find_folder(reference)
        recognise(folder, onnx=entry.onnx_file)
        return Fetched(folder, reference, None, (), f"package {reference.module} ({folder})")


def find_folder(reference: PackageReference, path: Sequence[str] | None = None) -> Path:
    """The folder that a reference names, searched for along `path` (default: sys.path).

    Raises NotFound if the package is not installed or has no such folder.
    """
    roots = _package_folders(reference.module, sys.path if path is None else path)
    if not roots:
        project = reference.module.split(".", maxsplit=1)[0].replace("_", "-")
        raise NotFound(
            f"{reference}: the package {reference.module} is not installed for {sys.executable}; "
            f"`pip install --no-deps {project}` may be what is missing",
            module=reference.module,
        )
    for root in roots:
        folder = resolve_inside(root, reference.path) if reference.path else root
        if folder.is_dir():
            return folder
    there = sorted(
        child.name for root in roots for child in root.iterdir() if child.is_dir() and child.name[0] not in "_."
    )
    raise NotFound(
        f"{reference}: the package has no folder '{reference.path}'; it has {', '.join(there) or 'no folders'}",
        module=reference.module,
    )


def _package_folders(module: str, path: Sequence[str]) -> list[Path]:
    """Where a package lies; more than one folder for namespace packages, none if it is not there."""
    places: Sequence[str] = path
    for depth, _ in enumerate(module.split(".")):
        # PathFinder wants the full name: editable installs register names, not only folders.
        spec = importlib.machinery.PathFinder.find_spec(".".join(module.split(".")[: depth + 1]), places)
        if spec is None or spec.submodule_search_locations is None:
            return []
        places = list(spec.submodule_search_locations)
    return [Path(place) for place in places]
