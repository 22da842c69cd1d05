"""When models are loaded and unloaded: at start, on request (explicit mode), when their folders change (poll mode).

The semantics and the words of the load API are Triton's: what goes wrong before a version is loaded (not found, a wrong
configuration or override) is "failed to poll" with its reason in the log only, and touches nothing; what goes wrong
while versions are loaded is told to the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from naiad.core.errors import (
    Failed,
    InvalidConfiguration,
    InvalidRequest,
    LoadFailed,
    NaiadError,
    NotFound,
    NotReady,
    Overloaded,
    Unsupported,
)
from naiad.core.model.host import ModelHost
from naiad.core.places import without_places
from naiad.core.settings.config import ModelSettings
from naiad.functions import Binding, Bindings
from naiad.loading.backend_settings import read_backend_settings
from naiad.loading.ensembles.dependencies import parts_first, unloaded_with
from naiad.loading.ensembles.planning import parts_of
from naiad.loading.models import AS_LOADED, Models, Wrap
from naiad.loading.overrides import read_override
from naiad.loading.plan import Plan, plan, plan_upload
from naiad.loading.sources import AMBIGUOUS, Sources, Survey
from naiad.loading.uploads import clear_uploads
from naiad.loading.watching import Seen, decide_changes, look
from naiad.repository import Entry, FetchSettings, ModelEntry
from naiad.serving.catalog import Catalog
from naiad.serving.control import LoadParameters, not_explicit
from naiad.serving.engine import Engine

ALL = "*"
"""The name that means all models in --load-model."""

MOST_WAITING = 64
"""Loads and unloads that may be under way or wait; each may hold the bytes of an upload."""

NOT_READY = "Server not ready"
"""Triton's words for a server whose repository is not there, when it is told to start all the same."""

Value = TypeVar("Value")

_log = logging.getLogger("naiad.loading")


class Control:
    """Decides about the models of one server; a `serving.control.ModelControl`."""

    def __init__(
        self,
        entries: Sequence[Entry],
        catalog: Catalog,
        settings: ModelSettings,
        fetching: FetchSettings,
        wrap: Wrap = AS_LOADED,
        bindings: Bindings | None = None,
        engine: Engine | None = None,
    ) -> None:
        """wrap, engine: see `Models`. bindings: functions to serve.

        Raises InvalidConfiguration for options that cannot be meant.
        """
        if ALL in settings.load_model and len(settings.load_model) > 1:
            raise InvalidConfiguration("--load-model '*' already means all models; leave out the other names")
        read_backend_settings(settings.backend_config)
        self.host: ModelHost | None = None
        """What models that are code may ask; by the server."""
        self._mode = settings.control_mode
        self._settings = settings
        self._fetching = fetching
        self._catalog = catalog
        self._bindings = bindings or Bindings()
        self._sources = Sources(entries, self._bindings, may_be_empty=self._mode != "none")
        catalog.is_complete = False
        catalog.may_be_empty = self._mode == "explicit" or all(
            isinstance(one, ModelEntry) and one.is_repository for one in entries
        )
        self._models = Models(
            catalog,
            threads=settings.load_threads,
            retries=settings.load_retries,
            require_all_versions=settings.require_all_versions,
            wrap=wrap,
            engine=engine,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: set[str] = set()
        """Units that were asked for by name, not for the sake of an ensemble."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By unit, so that requests of clients are carried out in the order in which they came."""
        self._seen: dict[str, Seen] = {}
        self._is_stopping = False

    async def start(self) -> bool:
        """Load what is to be loaded at start; returns whether all of it can be served. In poll mode, begin to watch."""
        for notice in self._sources.notices:
            _log.warning("%s", notice)
        for folder in await self._models.in_background(clear_uploads):
            _log.info("removed %s, the uploads of a server that is gone", folder)
        survey = await self._models.in_background(self._sources.survey)
        if survey.missing is not None:
            _log.error("failed to stat file: %s", survey.missing.message)
            self._catalog.refusal = NOT_READY
            return False
        for name, error in survey.problems.items():
            self._failed(name, error)
        if self._mode == "poll":
            self._seen = await self._models.in_background(partial(look, survey))
            self._keep(self._watch())
        wanted = self._wanted(survey)
        self._asked.update(wanted)
        if self._mode == "explicit":
            wanted = list(await self._models.in_background(partial(self._parts_behind, wanted, survey)))
        for name in wanted:
            self._catalog.begin(name)
        all_loaded = await self._load_all(wanted, survey)
        self._catalog.is_complete = True
        return all_loaded and not survey.problems

    def load(self, name: str, parameters: LoadParameters) -> asyncio.Future[None]:
        """See `ModelControl.load`."""
        self._check_request(name)
        if "/" in name or name == "..":
            raise InvalidRequest(
                f"invalid model name '{name}', model name must not contain path traversal characters", model=name
            )
        return self._keep(self._load(self._models.unit_of(name), parameters))

    def unload(self, name: str, *, unload_dependents: bool) -> asyncio.Future[None]:
        """See `ModelControl.unload`.

        Any name may be unloaded: what is not there is a name in a table, and no path is made of it.
        """
        self._check_request(name)
        return self._keep(self._unload(self._models.unit_of(name), unload_dependents=unload_dependents))

    async def bind(self, binding: Binding) -> None:
        """Serve a function from now on, in every mode. Raises AlreadyExists, LoadFailed, InvalidConfiguration."""
        self._bindings.add(binding)
        try:
            await self._models.load(binding.name, partial(self._plan, binding.name, LoadParameters()))
        except NaiadError:
            self._bindings.discard(binding)
            raise

    async def unbind(self, name: str) -> None:
        """Serve the functions of that name no more. Raises NotFound."""
        self._bindings.remove(name)
        await self._models.unload(name)

    async def offered(self) -> Mapping[str, str]:
        """See `ModelControl.offered`."""
        survey = await self._models.in_background(self._sources.survey)
        return {name: AMBIGUOUS if survey.is_ambiguous(name) else "" for name in survey.origins}

    async def look_again(self) -> None:
        """Poll mode: load what is new or changed, unload what is gone. A failure leaves what serves as it is."""
        survey = await self._models.in_background(self._sources.survey)
        if not survey.is_whole:
            for problem in survey.problems.values():
                _log.error("%s; the models that are loaded stay", problem.message)
            return
        seen = await self._models.in_background(partial(look, survey))
        changes = decide_changes(self._seen, seen)
        self._seen = seen
        for name in changes.unload:
            _log.info("'%s' is gone from its repository", name)
            await self._models.unload(name)
        await self._load_all(changes.load, survey)

    async def drain(self) -> None:
        """Load nothing more; return when models that were taken out of service have answered what they had taken."""
        await self._stop()
        await self._models.released()

    async def close(self) -> None:
        """Release every model, whether or not it has answered everything."""
        await self._stop()
        await self._models.close()

    @property
    def is_loading(self) -> bool:
        """Whether a thread loads, or looks at what there is to load; it may go on after `close`."""
        return self._models.is_loading

    async def _stop(self) -> None:
        self._is_stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wanted(self, survey: Survey) -> list[str]:
        names = self._settings.load_model
        if self._mode != "explicit" or names == (ALL,):
            return list(survey.origins)
        applications = [entry.name for entry in self._sources.applications]
        return list(dict.fromkeys([*names, *self._bindings.snapshot(), *applications]))

    async def _load_all(self, names: Iterable[str], survey: Survey) -> bool:
        """Load by name; what fails is in the catalog with its reason. Returns whether all could be loaded."""
        self._models.begin_gathering()
        try:
            are_loaded = await asyncio.gather(*(self._try_load(name, survey) for name in names))
        finally:
            are_bound = self._models.gathered()
        return all(are_loaded) and are_bound

    async def _try_load(self, name: str, survey: Survey) -> bool:
        try:
            await self._models.load(name, partial(self._plan, name, LoadParameters(), survey))
        except _Ambiguous as error:
            await self._models.unload(name)
            if self._mode != "poll":  # where folders come and go, it is no reason not to be ready
                self._failed(name, error)
        except LoadFailed as error:
            if error.detail.get("is_planned"):
                return False  # each version's failure is in the catalog and in the log
            self._failed(name, error)
        except NaiadError as error:
            self._failed(name, error)
        else:
            return True
        return False

    async def _load(self, name: str, parameters: LoadParameters) -> None:
        """Load for a client, with the parts if it is an ensemble, and say what went wrong in Triton's words."""
        async with self._turns.setdefault(name, asyncio.Lock()):
            self._asked.add(name)
            parts = await self._models.in_background(partial(self._parts_behind, [name], None, parameters))
            polled = await asyncio.gather(
                *(self._try_load_part(part) for part in parts if part != name and not parts[part])
            )
            polled += [await self._try_load_part(part) for part in parts_first(parts, [name])[:-1] if parts[part]]
            await self._load_alone(name, parameters)
        if not all(polled):
            raise Failed(f"failed to load '{name}', failed to poll from model repository", model=name)

    async def _try_load_part(self, name: str) -> bool:
        """Load a part of an ensemble, unless it is as it was; returns whether it could be looked at."""
        try:
            await self._models.load(name, partial(self._plan, name, LoadParameters()))
        except NaiadError as error:
            if not error.detail.get("is_planned"):
                _log.error("failed to poll model '%s': %s", name, error.message)
                return False
        return True

    async def _unload(self, name: str, *, unload_dependents: bool) -> None:
        """Unload a unit, and if that is asked for what is there for its sake alone."""
        async with self._turns.setdefault(name, asyncio.Lock()):
            with_it = unloaded_with(self._models.ensembles.parts, name, self._asked) if unload_dependents else []
            for one in (name, *with_it):
                self._asked.discard(one)
                await self._models.unload(self._models.unit_of(one))

    def _parts_behind(
        self, names: Iterable[str], survey: Survey | None = None, parameters: LoadParameters | None = None
    ) -> dict[str, frozenset[str]]:
        """Return units and all that they are made of, each with its own parts, as far as these can be read. Blocks.

        parameters: those of the first, whose configuration may have come with the request.
        """
        survey = survey or self._sources.survey()
        found: dict[str, frozenset[str]] = {}
        new = list(names)
        while new:
            name = new.pop()
            if name in found:
                continue
            config, parameters = (parameters.config if parameters is not None else None), None
            parts = parts_of(survey.origins.get(name, []), self._settings, config)
            found[name] = frozenset(survey.unit_of(self._models.unit_of(part)) for part in parts)
            new += found[name]
        return found

    async def _load_alone(self, name: str, parameters: LoadParameters) -> None:
        """Load one unit for a client."""
        try:
            await self._models.load(name, partial(self._plan, name, parameters))
        except LoadFailed as error:
            if error.detail.get("is_planned"):
                raise
            raise LoadFailed(
                f"load failed for model '{name}': {without_places(error.message)}\n", model=name
            ) from error
        except NaiadError as error:
            if isinstance(error, Unsupported) or type(error) is InvalidRequest:  # ours, and about the request
                raise
            _log.error("Poll failed for model directory '%s': %s", name, error.message)
            raise Failed(f"failed to load '{name}', failed to poll from model repository", model=name) from error

    def _plan(self, name: str, parameters: LoadParameters, survey: Survey | None = None) -> Plan:
        """Find the model and say what to load of it. Blocks. Raises NaiadError."""
        override = read_override(name, parameters, self._settings)
        if override is not None and override.folder is not None:
            try:
                return plan_upload(name, override, self._settings, self.host)
            except NaiadError:
                override.discard()
                raise
        survey = survey or self._sources.survey()
        origins = survey.origins.get(name, [])
        if not origins and not survey.is_whole:
            raise NotFound(" ".join(problem.message for problem in survey.problems.values()), model=name)
        if not origins:
            raise NotFound("model not found in any model repository.", model=name)
        if survey.is_ambiguous(name):
            places = " and ".join(map(str, origins))
            _log.error("'%s' is offered by %s; give one of them another name, as in NAME=SOURCE", name, places)
            raise _Ambiguous(AMBIGUOUS, model=name)
        return plan(origins[0], self._fetching, self._settings, override, self.host)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.repository_poll_s)
            try:
                await self.look_again()
            except Exception:  # noqa: BLE001 — whatever a file system or a library raises, the next look comes
                _log.exception("the repositories could not be looked at; trying again")

    def _check_request(self, name: str) -> None:
        self._catalog.check()
        if self._mode != "explicit":
            raise not_explicit()
        if self._is_stopping:
            raise NotReady("Server exiting")
        if not name.strip():
            raise InvalidRequest("Model name cannot be empty. Please enter a valid name to deploy.")
        if len(self._tasks) >= MOST_WAITING:
            raise Overloaded(
                f"{MOST_WAITING} loads and unloads are already waiting; try again later", most=MOST_WAITING
            )

    def _failed(self, name: str, error: NaiadError) -> None:
        _log.error("failed to load '%s': %s", name, error.message)
        self._catalog.fail(name, "", without_places(error.message))

    def _keep(self, work: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        """Run something to its end, whether or not anybody waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, NaiadError):
            _log.error("internal error while loading or unloading", exc_info=error)


class _Ambiguous(InvalidConfiguration):
    """Several sources offer the model."""
