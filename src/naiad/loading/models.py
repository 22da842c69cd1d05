"""The models that are loaded: brings them into service, swaps them for newer ones, takes them out, loses no request.

A unit is what is loaded and unloaded together under one name: the versions of a model, a text model and its view. New
copies are loaded in threads while the old ones serve; then one call to the catalog swaps them, and the old ones answer
what they have taken before they are closed. Versions that would be the same again stay as they are, with their
statistics: where only others of the unit are new, or the policy that chooses among them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from naiad.core.errors import InvalidConfiguration, LoadFailed, NaiadError
from naiad.core.foreign import is_librarys
from naiad.core.machine.daemon_threads import DaemonThreads
from naiad.core.places import without_places
from naiad.loading.contents import load
from naiad.loading.ensembles.definition import Definition
from naiad.loading.ensembles.following import Change, Ensembles
from naiad.loading.plan import Plan, PlannedModel
from naiad.loading.sources import AMBIGUOUS
from naiad.repository import Signature
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.states import UNLOADED, VersionState

Value = TypeVar("Value")
_Loaded = dict[PlannedModel, list[ServedModel]]

_OTHERS = 8
"""Threads for what blocks and is no load."""

_log = logging.getLogger("naiad.loading")


class Wrap(Protocol):
    """Gives what is to serve in the place of a model that was loaded."""

    reads_contents: bool
    """Whether it wants to know what models are made of, for which their files are read."""

    def __call__(self, model: ServedModel, contents: bytes | None) -> ServedModel:
        """Return the model itself, or one that stands in front. contents: see `naiad.loading.contents.load`."""
        ...


def nothing() -> None:
    """Do it."""


class AsLoaded:
    """Leaves models as they are."""

    reads_contents = False

    def __call__(self, model: ServedModel, contents: bytes | None) -> ServedModel:  # noqa: ARG002 - Wrap's
        """Return the model itself."""
        return model


AS_LOADED = AsLoaded()


@dataclass(slots=True)
class Unit:
    """What one load brought into service."""

    models: list[ServedModel] = field(default_factory=list)
    ensembles: tuple[str, ...] = ()
    """Names of those that it defines; `Ensembles` has the models that they become."""
    made_of: dict[tuple[str, str], tuple[Any, list[ServedModel]]] = field(default_factory=dict)
    """By name and version: what it was made of, as its plan says, and what it became."""
    state: tuple[str, Signature] | None = None
    """The plan's state; None: loading again always loads again."""
    discard: Callable[[], None] = nothing
    """The plan's `discard`."""

    def without(self, other: Unit | None) -> Unit:
        """Return what is in this unit alone, for closing."""
        kept = () if other is None else other.models
        return Unit([model for model in self.models if model not in kept], discard=self.discard)

    def close(self) -> None:
        """Release everything; blocks."""
        for model in self.models:
            model.close()
        self.discard()


class Models:
    """Every unit of one server, and the threads that load them. Owned by the event loop's thread."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        threads: int,
        retries: int = 0,
        require_all_versions: bool = False,
        wrap: Wrap = AS_LOADED,
        engine: Engine | None = None,
    ) -> None:
        """threads: versions loaded at the same time. retries: further attempts for each that fails.

        require_all_versions: serve no version of a new model of which one fails. wrap: may raise NaiadError; then the
        model cannot be loaded. engine: runs the steps of ensembles; default: one over the catalog.
        """
        self.catalog = catalog
        self.ensembles = Ensembles(catalog, engine or Engine(catalog), partial(wrap, contents=None))
        self._is_gathering = False
        self._wrap = wrap
        self._retries = retries
        self._require_all_versions = require_all_versions
        self._units: dict[str, Unit] = {}
        self._owners: dict[str, str] = {}
        """Name of a model that is served → its unit."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By unit, for as long as somebody holds it or waits: any name may be asked for."""
        self._threads = DaemonThreads(threads, "naiad-load")
        self._others = DaemonThreads(_OTHERS, "naiad-background")
        self._releases: set[asyncio.Task[None]] = set()

    def unit_of(self, name: str) -> str:
        """Return the unit that a model belongs to: a view's is its model's."""
        return self._owners.get(name, name)

    async def load(self, name: str, make_plan: Callable[[], Plan]) -> None:
        """Plan and load a unit, or load it again; nothing happens if no file has changed since, and nothing came along.

        Loads of one unit come one after the other. Raises what `make_plan` raises, which changes nothing, and
        LoadFailed where a version fails: then a unit that serves goes on as it was, and of a new one the other
        versions serve, unless all are required.
        """
        async with self._locks.setdefault(name, asyncio.Lock()):
            plan = await self._in_thread(make_plan)
            unit = self._units.get(name)
            if not plan.is_override and unit is not None and unit.state is not None and unit.state == plan.state:
                self._try_again(unit)
                await self.in_background(plan.discard)
                return
            self.catalog.settle(name)
            for model in plan.models:
                self.catalog.begin(model.name, model.version)
            took_s: dict[PlannedModel, float] = {}
            try:
                loads = (self._load_version(name, unit, model, took_s) for model in plan.models)
                results = await asyncio.gather(*loads)
            except asyncio.CancelledError:  # the server stops
                await self.in_background(plan.discard)
                raise
            await self._bring_in(name, plan, results, took_s)

    async def unload(self, name: str) -> None:
        """Take a unit out of service; it answers what it has taken in the background, and is then closed."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            unit = self._units.pop(name, None)
            if unit is not None:
                change = Change(gone=list(unit.models))
                self.ensembles.follow(change)
                for ensemble in unit.ensembles:
                    self.ensembles.forget(change, ensemble)
                self._apply(change, unit.discard, is_unload=True)
            self.catalog.dismiss(name)

    def begin_gathering(self) -> None:
        """Let ensembles wait for models that are still to come, until `gathered`."""
        self._is_gathering = True

    def gathered(self) -> bool:
        """Note that all models have come; returns whether every ensemble that waited serves, as it is wanted now."""
        self._is_gathering = False
        change = Change()
        refused = self.ensembles.fall_back(change)
        for name, reason in refused.items():
            _log.error("failed to load '%s', which stays as it was: %s", name, reason)
        self._apply(change, nothing)
        failed = dict(refused)
        pending = {(one.name, one.version) for one in self.catalog.entries() if one.state is VersionState.LOADING}
        for (name, version), reason in self.ensembles.failures.items():
            if (name, version) in pending:
                _log.error("failed to load '%s' version %s: %s", name, version, reason)
                self.catalog.fail(name, version, without_places(reason))
                failed[name] = reason
        return not failed

    async def released(self) -> None:
        """Return when everything that was taken out of service has been closed."""
        while self._releases:
            await asyncio.wait(self._releases)

    async def close(self) -> None:
        """Load nothing more and release everything; for when no requests come any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for task in self._releases:
            task.cancel()
        await asyncio.gather(*self._releases, return_exceptions=True)
        units, self._units = self._units, {}
        try:
            await asyncio.gather(*(self.in_background(unit.close) for unit in units.values()))
        finally:
            self._others.shutdown(wait=False)

    @property
    def is_loading(self) -> bool:
        """Whether a thread loads, or looks at what there is to load."""
        return self._threads.is_busy or self._others.is_busy

    async def in_background(self, call: Callable[[], Value]) -> Value:
        """Run what blocks but is no load, so that it need not wait for loads."""
        return await asyncio.get_running_loop().run_in_executor(self._others, call)

    async def _load_version(
        self, name: str, unit: Unit | None, model: PlannedModel, took_s: dict[PlannedModel, float]
    ) -> list[ServedModel] | NaiadError:
        """Load one version, with as many attempts as the operator allows; gives its error if none succeeds.

        unit: what serves now; a version of it that would become the same again is given as it is. took_s: gets how long
        the loads took, of those that were needed.
        """
        made_of, models = (None, []) if unit is None else unit.made_of.get((model.name, model.version), (None, []))
        if made_of is not None and made_of == model.made_of:
            return models
        for left in range(self._retries, -1, -1):
            began_s = time.perf_counter()
            try:
                loaded, contents = await self._in_thread(partial(load, model, reads_contents=self._wrap.reads_contents))
                self._check_names(name, loaded)
                served = self._wrapped(loaded, contents)
            except NaiadError as error:
                again = f"; {left} further attempts" if left else ""
                _log.error("failed to load '%s' version %s: %s%s", model.name, model.version, error.message, again)
                failure = error
            else:
                took_s[model] = time.perf_counter() - began_s
                return served
        return failure

    def _wrapped(self, models: Sequence[ServedModel], contents: bytes | None) -> list[ServedModel]:
        """Give what is to serve in their place; closes them where one of them may not."""
        try:
            return [self._wrap(model, contents) for model in models]
        except NaiadError:
            for model in models:
                model.close()
            raise

    def _check_names(self, unit: str, models: Sequence[ServedModel]) -> None:
        """Raise InvalidConfiguration, and close them, if another unit serves one of the names already."""
        for model in models:
            owner = self._owners.get(model.name, unit)
            if owner != unit:
                for each in models:
                    each.close()
                raise InvalidConfiguration(f"{AMBIGUOUS}: '{model.name}' already comes with '{owner}'")

    async def _bring_in(
        self,
        name: str,
        plan: Plan,
        results: Sequence[list[ServedModel] | NaiadError],
        took_s: Mapping[PlannedModel, float],
    ) -> None:
        """Put what was loaded into service and say so, or close it again. Raises LoadFailed.

        took_s: how long the loads took, of what is new.
        """
        old = self._units.get(name)
        pairs = list(zip(plan.models, results, strict=True))
        failures = {model: result for model, result in pairs if isinstance(result, NaiadError)}
        loaded = {model: result for model, result in pairs if not isinstance(result, NaiadError)}
        served = self._choose(loaded, failures, old)
        refused: Mapping[str, str] = {}
        ensembles = () if failures and not served else tuple({one.name: None for one in plan.ensembles})
        if served or ensembles:
            made_of = {(model.name, model.version): (model.made_of, models) for model, models in served.items()}
            new = Unit(_all(served), ensembles, made_of, None if failures else plan.state, plan.discard)
            refused = self._replace(name, old, new, plan.ensembles)
            _tell_those_that_stay(served, old)
            for model, seconds in took_s.items():
                if model in served:
                    _log.info("successfully loaded '%s' version %s in %.2f s", model.name, model.version, seconds)
        for model in plan.models:
            if model not in served:
                reason = model.reason(failures[model]) if model in failures else UNLOADED
                self.catalog.fail(model.name, model.version, reason)
        unused = Unit(_all({model: models for model, models in loaded.items() if model not in served}))
        if not served and not ensembles:
            unused.discard = plan.discard
        await self.in_background(unused.without(old).close)
        if failures:
            raise load_failed(name, failures)
        if refused:
            raise ensemble_failed(*next(iter(refused.items())))
        self._check_ensembles(ensembles)

    def _choose(self, loaded: _Loaded, failures: Mapping[PlannedModel, NaiadError], old: Unit | None) -> _Loaded:
        """Say what of a load is to serve: all of it, unless a version has failed."""
        if not failures:
            return loaded
        if old is not None:
            return {}
        broken = {model.name for model in failures} if self._require_all_versions else ()
        return {model: models for model, models in loaded.items() if model.name not in broken}

    def _replace(
        self, name: str, old: Unit | None, new: Unit, definitions: Sequence[Definition] = ()
    ) -> Mapping[str, str]:
        """Let requests go to the new unit; one call to the catalog, so that none falls between the two.

        Gives the ensembles that stay as they were, and why.
        """
        old = old or Unit()
        gone = old.without(new)
        change = Change(list(gone.models), [model for model in new.models if model not in old.models])
        self.ensembles.follow(change)
        refused = {}
        for ensemble in new.ensembles:
            own = [one for one in definitions if one.name == ensemble]
            if reason := self.ensembles.define(change, ensemble, own, may_wait=self._is_gathering):
                refused[ensemble] = reason
        for ensemble in set(old.ensembles) - set(new.ensembles):
            self.ensembles.forget(change, ensemble)
        if refused:
            new.state = None
        self._units[name] = new
        self._apply(change, gone.discard)
        self._owners.update(dict.fromkeys((*(model.name for model in new.models), *new.ensembles), name))
        return refused

    def _check_ensembles(self, names: Iterable[str]) -> None:
        """Raise LoadFailed for an ensemble that cannot serve, unless others of its parts may come."""
        if not self._is_gathering:
            for (failed, _), reason in self.ensembles.failures.items():
                if failed in names:
                    raise ensemble_failed(failed, reason)

    def _try_again(self, unit: Unit) -> None:
        """Look again at the ensembles of a unit that is as it was. Raises LoadFailed."""
        change = Change()
        for name in unit.ensembles:
            if not self.ensembles.serves(name):
                self.ensembles.retry(change, name)
        self._apply(change, nothing)
        self._check_ensembles(unit.ensembles)

    def _apply(self, change: Change, discard: Callable[[], None], *, is_unload: bool = False) -> None:
        """Carry a change out. discard: what to call when the models that go are closed.

        is_unload: ensembles end because the operator takes their parts away, as in Triton without being failures.
        """
        self.catalog.swap(change.gone, change.new)
        served = {(model.name, model.version) for model in change.gone}
        for (name, version), reason in change.failed.items():
            if is_unload and (name, version) in served:
                _log.warning("'%s' version %s is unloaded: %s", name, version, reason)
            elif self._is_gathering:
                self.catalog.begin(name, version)
            else:
                _log.error("failed to load '%s' version %s: %s", name, version, reason)
                self.catalog.fail(name, version, without_places(reason))
        if change.gone or discard is not nothing:
            self._release(Unit(change.gone, discard=discard))

    def _release(self, unit: Unit) -> None:
        """Close a unit that gets no more requests, once it has answered those it has taken."""
        for model in unit.models:
            if not self.catalog.ready_versions(model.name):
                self._owners.pop(model.name, None)
        task = asyncio.get_running_loop().create_task(self._drain_and_close(unit))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _drain_and_close(self, unit: Unit) -> None:
        try:
            for model in unit.models:
                await model.drain()
        finally:  # also when the server cannot wait any longer
            await self.in_background(unit.close)
            for model in unit.models:
                self.catalog.released(model)
                _log.info("successfully unloaded '%s' version %s", model.name, model.version)

    async def _in_thread(self, call: Callable[[], Value]) -> Value:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except NaiadError:
            raise
        except BaseException as error:  # a library may raise anything; it costs this model, not the others
            if not is_librarys(error):
                raise
            _log.exception("unexpected error while loading")
            raise LoadFailed(f"unexpected error: {type(error).__name__}: {error}") from error


def _all(loaded: _Loaded) -> list[ServedModel]:
    return [model for models in loaded.values() for model in models]


def _tell_those_that_stay(served: _Loaded, old: Unit | None) -> None:
    for model, models in served.items():
        for each in models:
            if old is not None and each in old.models:
                model.keep(each)


def ensemble_failed(name: str, reason: str) -> LoadFailed:
    """Make the error for an ensemble that does not suit its parts, in Triton's words."""
    return LoadFailed(f"load failed for model '{name}': {without_places(reason)}\n", model=name, is_planned=True)


def load_failed(name: str, failures: Mapping[PlannedModel, NaiadError]) -> LoadFailed:
    """Make the error for versions that failed, in Triton's words."""
    reasons = "".join(
        f"version {model.version} is at UNAVAILABLE state: {model.reason(error)};\n"
        for model, error in failures.items()
    )
    return LoadFailed(f"load failed for model '{name}': {reasons}", model=name, is_planned=True)
