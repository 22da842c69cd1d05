"""Which model versions there are, in which state; and the one a request means.

Owned by the event loop's thread. Loading happens elsewhere (`naiad.loading`), which tells this file of every step:
`begin` → `swap` or `fail`; `retire` → `released`. A step is one call, so that no request can see half of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from naiad.core.errors import InvalidRequest, NotFound, NotReady
from naiad.serving.model import ServedModel
from naiad.serving.readiness import can_answer
from naiad.serving.states import TRANSITIONS, UNLOADED, VersionState


@dataclass(slots=True)
class Entry:
    """One version of one model."""

    name: str
    version: str
    """Empty while it is not known which versions there are."""
    state: VersionState = VersionState.UNKNOWN
    reason: str = ""
    """Why it is UNAVAILABLE, in words for a person."""
    model: ServedModel | None = None
    """While READY."""

    @property
    def is_as_wanted(self) -> bool:
        """Whether it serves, or does not because somebody unloaded it."""
        return self.state in (VersionState.READY, VersionState.UNLOADING) or self.reason == UNLOADED

    def move(self, state: VersionState, reason: str = "") -> None:
        """Change state; a step that the table does not allow is a mistake of ours."""
        assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
        self.state = state
        self.reason = reason


_LONGEST_VERSION = 4300
"""Digits that Python reads at once; a version of so many is none."""


class Catalog:
    """All models of this server."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self.latest: dict[str, ServedModel] = {}
        """The highest ready version by name, remembered until something changes; those that have been asked for."""
        self.is_complete = True
        """Whether every model that is wanted from the start is here; until then a name that is not may yet come."""
        self.refusal = ""
        """Why no model can be asked for, whatever its name; empty where they can."""
        self.may_be_empty = True
        """Whether a server without models is as it should be."""

    def begin(self, name: str, version: str = "") -> None:
        """Note that a version is being loaded; one that serves goes on serving meanwhile.

        version empty: it is not known yet which there are; nothing for a model that has some already.
        """
        if not version and self._entries.get(name):
            return
        entry = self._entry(name, version)
        if entry.state not in (VersionState.READY, VersionState.LOADING):
            entry.move(VersionState.LOADING)

    def settle(self, name: str) -> None:
        """Note that it is known now which models a name stands for."""
        versions = self._entries.get(name, {})
        versions.pop("", None)
        if not versions:
            self._entries.pop(name, None)

    def swap(self, old: Iterable[ServedModel], new: Sequence[ServedModel]) -> None:
        """Let requests go to `new` from now on, and no longer to `old`, which the caller drains and closes.

        Versions of `old` that `new` does not have are UNLOADING until `released`.
        """
        self.latest.clear()
        for model in new:
            entry = self._entry(model.name, model.version)
            if entry.state is not VersionState.READY:
                self.begin(model.name, model.version)
                entry.move(VersionState.READY)
            entry.model = model
        for model in old:
            entry = self._entry(model.name, model.version)
            if entry.model is model:
                entry.model = None
                entry.move(VersionState.UNLOADING)

    def add(self, model: ServedModel) -> None:
        """Make a model available to requests, beside those that are."""
        self.swap((), (model,))

    def fail(self, name: str, version: str, reason: str) -> None:
        """Note why a version (empty: the model) cannot be served; one that serves all the same goes on."""
        if not version and self.ready_versions(name):
            return
        entry = self._entry(name, version)
        if entry.state is VersionState.READY:
            return
        if entry.state is VersionState.UNLOADING:
            entry.move(VersionState.LOADING)
        entry.move(VersionState.UNAVAILABLE, reason)

    def retire(self, models: Iterable[ServedModel]) -> None:
        """Send no more requests to these; the caller drains and closes them, and says `released`."""
        self.swap(models, ())

    def released(self, model: ServedModel) -> None:
        """Note that a retired model has answered its last request and is closed."""
        entry = self._entries.get(model.name, {}).get(model.version)
        if entry is not None and entry.state is VersionState.UNLOADING:
            entry.move(VersionState.UNAVAILABLE, UNLOADED)

    def dismiss(self, name: str) -> None:
        """Note that a model is not wanted: versions that failed are no longer a reason not to be ready."""
        for entry in list(self._entries.get(name, {}).values()):
            if entry.state is VersionState.UNAVAILABLE and entry.version:
                entry.move(VersionState.UNAVAILABLE, UNLOADED)
        self.settle(name)

    def find(self, name: str, version: str = "") -> ServedModel:
        """Return the model that serves a request; version empty or "-1" = the highest that is ready.

        Raises NotFound for what is not there, NotReady for what is not ready (messages as in Triton).
        """
        if version in ("", "-1"):
            return self.latest.get(name) or self._find_latest(name)
        version = version_number(version)
        versions = self._versions(name)
        entry = versions.get(version)
        if entry is None:
            _check_loading(name, versions.get(""))
            raise NotFound(f"Request for unknown model: '{name}' version {version} is not found", model=name)
        if entry.model is None:
            raise NotReady(f"Request for unknown model: '{name}' version {version} is not at ready state", model=name)
        return entry.model

    def _entry(self, name: str, version: str) -> Entry:
        """Give the entry of a version, made if need be; a known version takes the place of the unknown one."""
        versions = self._entries.setdefault(name, {})
        if version:
            versions.pop("", None)
        return versions.setdefault(version, Entry(name, version))

    def _versions(self, name: str) -> dict[str, Entry]:
        versions = self._entries.get(name)
        if versions is not None:
            return versions
        self.check()
        if not self.is_complete:
            raise NotReady(f"model '{name}' is not known yet, because the server is starting; try again", model=name)
        raise NotFound(f"Request for unknown model: '{name}' is not found", model=name)

    def _find_latest(self, name: str) -> ServedModel:
        versions = self._versions(name)
        ready = [entry for entry in versions.values() if entry.model is not None]
        if not ready:
            _check_loading(name, *versions.values())
            reasons = "; ".join(entry.reason for entry in versions.values() if entry.reason not in ("", UNLOADED))
            detail = f": {reasons}" if reasons else ""
            raise NotFound(f"Request for unknown model: '{name}' has no available versions{detail}", model=name)
        best = max(ready, key=lambda entry: int(entry.version))
        assert best.model is not None
        self.latest[name] = best.model
        return best.model

    def check(self) -> None:
        """Raise NotReady where no model can be asked for."""
        if self.refusal:
            raise NotReady(self.refusal)

    def knows(self, name: str) -> bool:
        """Whether there is or was such a model, ready or not."""
        return name in self._entries

    def ready_versions(self, name: str) -> list[str]:
        """Versions of a model that can answer, ascending."""
        entries = self._entries.get(name, {}).values()
        return sorted((entry.version for entry in entries if entry.model is not None), key=int)

    def versions(self, name: str) -> Iterable[Entry]:
        """Every version of one model."""
        return self._entries.get(name, {}).values()

    def entries(self) -> Iterator[Entry]:
        """Every version of every model, by name."""
        for name in sorted(self._entries):
            yield from sorted(self._entries[name].values(), key=lambda entry: int(entry.version or 0))

    def models(self) -> Iterator[ServedModel]:
        """Every model that can answer."""
        for entry in self.entries():
            if entry.model is not None:
                yield entry.model

    @property
    def is_ready(self) -> bool:
        """Whether every model that should be served is, and there is one if there should be."""
        has_enough = self.is_complete and not self.refusal and (self.may_be_empty or bool(self._entries))
        return has_enough and all(
            entry.is_as_wanted and (entry.model is None or can_answer(entry.model)) for entry in self.entries()
        )

    def reasons(self) -> dict[str, str]:
        """Why models cannot answer that should, by name."""
        found = {}
        for entry in self.entries():
            if not entry.is_as_wanted:
                found[entry.name] = entry.reason or f"it is {entry.state}"
            elif entry.model is not None and not can_answer(entry.model):
                found[entry.name] = "what runs it cannot answer now"
        return found

    @property
    def is_loading(self) -> bool:
        """Whether there may soon be models that are not here, or cannot answer, now."""
        return not self.is_complete or any(entry.state is VersionState.LOADING for entry in self.entries())

    def index(self) -> list[dict[str, Any]]:
        """Rows of the repository index, for versions that have been asked for at least once."""
        rows: list[dict[str, Any]] = []
        for entry in self.entries():
            row = {"name": entry.name, "version": entry.version, "state": str(entry.state), "reason": entry.reason}
            rows.append({key: value for key, value in row.items() if value})
        return rows


def _check_loading(name: str, *entries: Entry | None) -> None:
    """Raise NotReady if one of them is on its way."""
    if any(entry is not None and entry.state is VersionState.LOADING for entry in entries):
        raise NotReady(f"model '{name}' is being loaded; try again", model=name)


def version_number(version: str) -> str:
    """Return a version as its folder is named: `01` is 1. Raises InvalidRequest for what is no whole number."""
    if version.isascii() and version.isdigit() and len(version) <= _LONGEST_VERSION and int(version) < 2**63:
        return str(int(version))
    raise InvalidRequest(_bad_version(version))


def _bad_version(version: str) -> str:
    if version.startswith("-") and version[1:].isdigit():
        return f"invalid model version specified '{version}' , version should be an integral value > 0"
    return (
        f"failed to get model version from specified version string '{version}' (details: stol), "
        "version should be an integral value > 0"
    )
