"""All ensembles of a server, and what becomes of them when models come, go or change.

Every change of models goes through here before it takes effect: `follow` adds to it the ensembles that have to be made
anew, so that one call to the catalog swaps models and ensembles together. Owned by the event loop's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.loading.ensembles.binding import bind
from naiad.loading.ensembles.definition import Definition
from naiad.loading.ensembles.dependencies import circle, dependents
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.states import UNLOADED, VersionState

MOST_RUNS = 4096
"""Runs of models that one request may lead to, those of ensembles among the parts counted through."""

_log = logging.getLogger("naiad.loading")

Place = tuple[str, str]
"""Name and version."""


@dataclass(slots=True)
class Change:
    """Models that go and models that come, together."""

    gone: list[ServedModel] = field(default_factory=list)
    """In the order in which they have to stop: what is made of others first."""
    new: list[ServedModel] = field(default_factory=list)
    failed: dict[Place, str] = field(default_factory=dict)
    """Ensembles that cannot serve any longer, or still cannot, and why."""


class Ensembles:
    """The ensembles that are wanted, whether or not they can serve."""

    def __init__(self, catalog: Catalog, engine: Engine, wrap: Callable[[ServedModel], ServedModel]) -> None:
        """wrap: gives what is to serve in the place of a model."""
        self._catalog = catalog
        self._engine = engine
        self._wrap = wrap
        self._definitions: dict[str, list[Definition]] = {}
        self._bound: dict[Place, ServedModel] = {}
        self._failures: dict[Place, str] = {}
        self._before: dict[str, list[Definition]] = {}
        """Old forms of those that wait for models with new ones."""
        self._runs: dict[str, int] = {}
        """By ensemble: how many models run for one request."""

    @property
    def parts(self) -> dict[str, frozenset[str]]:
        """By ensemble: the names of the models that it is made of."""
        return {
            name: frozenset(part for definition in definitions for part in definition.parts)
            for name, definitions in self._definitions.items()
        }

    @property
    def failures(self) -> dict[Place, str]:
        """The ensembles that cannot serve, and why."""
        return dict(self._failures)

    def serves(self, name: str) -> bool:
        """Whether every version of an ensemble serves."""
        return all((one.name, one.version) in self._bound for one in self._definitions.get(name, ()))

    def define(self, change: Change, name: str, definitions: Sequence[Definition], *, may_wait: bool = False) -> str:
        """Take up an ensemble, or a new form of one, and add to a change what follows.

        One that serves and could not in its new form stays as it is; then the reason is returned, else nothing.
        may_wait: other models are still to come, so that this is found out only by `fall_back`.
        """
        before, bound = self._definitions.get(name, []), self._bound_of(name)
        trial = Change(list(change.gone), list(change.new), dict(change.failed))
        self._definitions[name] = list(definitions)
        self._bind(name, trial)
        reason = next((reason for (failed, _), reason in trial.failed.items() if failed == name), "")
        if bound and reason:
            if may_wait:
                self._before.setdefault(name, before)
            else:
                self._drop(name)
                self._definitions[name] = before
                self._bound.update({(model.name, model.version): model for model in bound})
                return reason
        change.gone, change.new, change.failed = trial.gone, trial.new, trial.failed
        self.follow(change)
        return ""

    def fall_back(self, change: Change) -> dict[str, str]:
        """Give ensembles whose new forms suit nothing that came their old ones again; by name, why."""
        refused = {}
        before, self._before = self._before, {}
        for (name, _), reason in self.failures.items():
            if name in before and name in self._definitions:
                self._definitions[name] = before[name]
                self.retry(change, name)
                refused[name] = reason
        return refused

    def retry(self, change: Change, name: str) -> None:
        """Try once more with an ensemble that cannot serve, and add to a change what follows."""
        self._bind(name, change)
        self.follow(change)

    def forget(self, change: Change, name: str) -> None:
        """Drop an ensemble, and add to a change what follows."""
        self._end(name, change)
        self._definitions.pop(name, None)
        self.follow(change)

    def follow(self, change: Change) -> None:
        """Add to a change the ensembles that have to be made anew because of it, and those that cannot be."""
        touched = {model.name for model in (*change.gone, *change.new)}
        touched.update(name for name, _ in change.failed)
        for name in dependents(self.parts, touched):
            self._bind(name, change)

    def _bound_of(self, name: str) -> list[ServedModel]:
        return [model for (bound, _), model in self._bound.items() if bound == name]

    def _end(self, name: str, change: Change) -> None:
        """Let the versions of an ensemble go; those that the change itself would have brought never come."""
        for model in self._bound_of(name):
            if model in change.new:
                change.new.remove(model)
            else:
                change.gone.insert(0, model)
        for place in [place for place in change.failed if place[0] == name]:
            del change.failed[place]
        self._drop(name)

    def _drop(self, name: str) -> None:
        for places in (self._bound, self._failures):
            for place in [place for place in places if place[0] == name]:
                del places[place]

    def _bind(self, name: str, change: Change) -> None:
        """Make the versions of an ensemble over the models that there will be after the change, itself among it."""
        self._end(name, change)
        for definition in self._definitions[name]:
            place = (name, definition.version)
            try:
                model = self._wrap(self._make(definition, change))
            except NaiadError as error:
                self._failures[place] = change.failed[place] = error.message
            else:
                self._bound[place] = model
                change.new.append(model)

    def _make(self, definition: Definition, change: Change) -> ServedModel:
        name = definition.name
        if part := circle(self.parts, name):
            raise InvalidConfiguration(f"circular dependency between ensembles: {name} -> ... -> {part} -> {name}")
        assert definition.config.ensemble is not None
        runs = sum(self._runs.get(step.model, 1) for step in definition.config.ensemble.steps)
        if runs > MOST_RUNS:
            raise InvalidConfiguration(
                f"ensemble '{name}' would run {runs} models for one request; {MOST_RUNS} are allowed"
            )
        model = bind(definition, lambda part, version: self._find(part, version, change), self._engine)
        self._runs[name] = runs
        return model

    def _find(self, name: str, version: str, change: Change) -> ServedModel | str:
        """Return the model that there will be after the change, or why there is none."""
        models = {
            entry.version: entry.model
            for entry in self._catalog.versions(name)
            if entry.model is not None and entry.model not in change.gone
        }
        models.update({model.version: model for model in change.new if model.name == name})
        if version in models:
            return models[version]
        if models and not version:
            return models[max(models, key=int)]
        if models:
            return f"whose required version {version} is not loaded."
        return self._why_not(name)

    def _why_not(self, name: str) -> str:
        """Say why a model does not serve; empty where there is none."""
        for (failed, _), reason in self._failures.items():
            if failed == name:
                return f"which is not valid. Model '{name}' failed with error: {reason}"
        reasons = "".join(
            f"version {entry.version} is at {entry.state} state: {entry.reason};\n"
            for entry in self._catalog.versions(name)
            if entry.version and entry.state is VersionState.UNAVAILABLE and entry.reason != UNLOADED
        )
        return reasons and f"which has no loaded version. Model '{name}' loading failed with error: {reasons}"
