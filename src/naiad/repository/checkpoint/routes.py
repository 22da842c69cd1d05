"""A Router of sentence-transformers: other modules for queries than for documents.

`router_config.json` (in versions 2 to 4 the `config.json` of an `Asym`) names the modules of each route, each in a
folder of its own below the router's. Pure: whoever calls reads the file. Not here: what the modules compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naiad.core.errors import LoadFailed
from naiad.repository.checkpoint.modules import Module, inside

ROUTERS = frozenset({"Router", "Asym"})

ROUTER_FILES = ("router_config.json", "config.json")
"""Where a router's routes stand; the first that there is."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways through a router."""

    modules: Mapping[str, tuple[Module, ...]]
    """Keyed by the route's name: query, document."""
    default: str
    """For texts of which nothing is said; empty where something must be."""

    @property
    def documents_first(self) -> list[tuple[Module, ...]]:
        """The modules of all routes, those for documents before the others."""
        return [self.modules[route] for route in sorted(self.modules, key=lambda route: route != "document")]


def router_file(modules: Sequence[Module], is_file: Callable[[Path], bool]) -> Path | None:
    """The file that names the routes; None where the first module is no router."""
    if not modules or modules[0].kind not in ROUTERS:
        return None
    paths = [modules[0].folder / name for name in ROUTER_FILES]
    return next(filter(is_file, paths), paths[0])


def parse_routes(path: Path, content: Any) -> Routes:
    """The routes that a router's file at `path` describes.

    Raises LoadFailed for content that is no router's, InvalidConfiguration for paths that leave the folder.
    """
    try:
        types, structure, parameters = (_object(content, key) for key in ("types", "structure", "parameters"))
        routes = {
            str(route): tuple(Module(str(types[name]), inside(path.parent, name)) for name in names)
            for route, names in structure.items()
        }
    except (KeyError, TypeError) as error:
        raise LoadFailed(f"{path}: is not a router's configuration: {error!r}", path=str(path)) from error
    if not routes or not all(routes.values()):
        raise LoadFailed(f"{path}: has a route without modules", path=str(path))
    default = parameters.get("default_route")
    if default is None and parameters.get("allow_empty_key", True):
        default = next(iter(routes))
    return Routes(routes, str(default or ""))


def _object(content: Any, key: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise TypeError(f"{key} is not an object")
    return value
