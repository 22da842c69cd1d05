"""Which models there are, in which versions, in which state; and the one a request means.

Owned by the event loop's thread. Loading itself happens elsewhere (`naiad.loading`); this file is told of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidRequest, NotFound, NotReady
from naiad.serving.model import ServedModel
from naiad.serving.states import TRANSITIONS, State


@dataclass(slots=True)
class Entry:
    """One version of one model."""

    name: str
    version: str
    """Empty while it is not known which versions there are."""
    state: State = State.UNKNOWN
    reason: str = ""
    """Why it is UNAVAILABLE, in words for a person."""
    model: ServedModel | None = None
    """While READY."""

    def move(self, state: State, reason: str = "") -> None:
        """Change state; a step that the table does not allow is a mistake of ours."""
        assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
        self.state = state
        self.reason = reason


class Catalog:
    """All models of this server."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self._latest: dict[str, ServedModel] = {}
        """The highest ready version by name, remembered until something changes."""

    def announce(self, name: str, version: str = "") -> Entry:
        """Note that a model is to be loaded."""
        entry = self._entries.setdefault(name, {}).setdefault(version, Entry(name, version))
        entry.move(State.LOADING)
        return entry

    def add(self, model: ServedModel) -> None:
        """Make a loaded model available to requests."""
        versions = self._entries.setdefault(model.name, {})
        versions.pop("", None)
        entry = versions.setdefault(model.version, Entry(model.name, model.version))
        if entry.state is not State.LOADING:
            entry.move(State.LOADING)
        entry.model = model
        entry.move(State.READY)
        self._latest.clear()

    def fail(self, name: str, version: str, reason: str) -> None:
        """Note why a model cannot be served."""
        versions = self._entries.setdefault(name, {})
        if version:
            versions.pop("", None)
        entry = versions.setdefault(version, Entry(name, version))
        entry.move(State.UNAVAILABLE, reason)

    def withdraw(self, name: str) -> list[ServedModel]:
        """Forget every version of a model; returns those that were ready, for the caller to drain and close."""
        self._latest.clear()
        versions = self._entries.pop(name, {})
        return [entry.model for entry in versions.values() if entry.model is not None]

    def find(self, name: str, version: str = "") -> ServedModel:
        """Return the model that serves a request; version empty or "-1" = the highest that is ready.

        Raises NotFound for what is not there, NotReady for what is not ready (messages as in Triton).
        """
        if version in ("", "-1"):
            return self._latest.get(name) or self._find_latest(name)
        versions = self._versions(name)
        if not version.isascii() or not version.isdigit():
            raise InvalidRequest(_bad_version(version))
        entry = versions.get(version)
        if entry is None:
            raise NotFound(f"Request for unknown model: '{name}' version {version} is not found", model=name)
        if entry.model is None:
            raise NotReady(f"Request for unknown model: '{name}' version {version} is not at ready state", model=name)
        return entry.model

    def _versions(self, name: str) -> dict[str, Entry]:
        versions = self._entries.get(name)
        if versions is None:
            raise NotFound(f"Request for unknown model: '{name}' is not found", model=name)
        return versions

    def _find_latest(self, name: str) -> ServedModel:
        versions = self._versions(name)
        ready = [entry for entry in versions.values() if entry.model is not None]
        if not ready:
            reasons = "; ".join(filter(None, (entry.reason for entry in versions.values())))
            detail = f": {reasons}" if reasons else ""
            raise NotReady(f"Request for unknown model: '{name}' has no available versions{detail}", model=name)
        best = max(ready, key=lambda entry: int(entry.version))
        assert best.model is not None
        self._latest[name] = best.model
        return best.model

    def ready_versions(self, name: str) -> list[str]:
        """Versions of a model that can answer, ascending."""
        entries = self._entries.get(name, {}).values()
        return sorted((entry.version for entry in entries if entry.model is not None), key=int)

    def entries(self) -> Iterator[Entry]:
        """Every version of every model, by name."""
        for name in sorted(self._entries):
            yield from self._entries[name].values()

    def models(self) -> Iterator[ServedModel]:
        """Every model that can answer."""
        for entry in self.entries():
            if entry.model is not None:
                yield entry.model

    @property
    def is_ready(self) -> bool:
        """Whether every model that should be served is."""
        return all(entry.state is State.READY for entry in self.entries())

    def index(self, *, only_ready: bool = False) -> list[dict[str, Any]]:
        """Rows of the repository index."""
        rows: list[dict[str, Any]] = []
        for entry in self.entries():
            if only_ready and entry.state is not State.READY:
                continue
            row = {"name": entry.name, "version": entry.version, "state": str(entry.state), "reason": entry.reason}
            rows.append({key: value for key, value in row.items() if value})
        return rows


def _bad_version(version: str) -> str:
    if version.startswith("-") and version[1:].isdigit():
        return f"invalid model version specified '{version}' , version should be an integral value > 0"
    return (
        f"failed to get model version from specified version string '{version}' (details: stol), "
        "version should be an integral value > 0"
    )
