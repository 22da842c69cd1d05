"""Which models the sources offer, by name; nothing is fetched or loaded here, and nothing of a model is read.

A source is a folder of models (a repository, whose models are known by their folders' names and come and go), or one
model. What lies on the Hub is known by the name of its entry until it is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from naiad.core.errors import InvalidConfiguration, NaiadError
from naiad.core.user_code.application import ApplicationEntry
from naiad.functions import Binding, Bindings
from naiad.repository import (
    EndpointEntry,
    EnsembleEntry,
    Entry,
    FolderReference,
    ModelEntry,
    PackageReference,
    Signature,
    StoreReference,
    find_folder,
    holds_checkpoint,
    holds_model,
    list_models,
    list_store,
    model_name,
    recognise,
    signature,
)

AMBIGUOUS = "model appears in two or more repositories"
"""Triton's words, which scripts look for."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one model comes from."""

    name: str
    entry: ModelEntry
    folder: Path | None = None
    """Where its files lie; None: they have to be fetched first."""
    is_triton: bool = False
    """The folder is a Triton model: config.pbtxt, version folders."""

    @property
    def state(self) -> Signature:
        """How its files are now; what is neither a folder nor in a store never changes. Blocks."""
        if self.folder is not None:
            return signature(self.folder)
        source = self.entry.source
        if isinstance(source, StoreReference) and source.listing is not None:
            return ((source.listing.digest, 0, 0, 0),)
        return ()

    def __str__(self) -> str:
        return str(self.folder or self.entry.source)


@dataclass(frozen=True, slots=True)
class BoundOrigin:
    """The functions that the program has bound to a name."""

    name: str
    bindings: tuple[Binding, ...]
    """By version."""
    folder: None = None
    state: Signature = ()
    """A function never changes."""

    def __str__(self) -> str:
        return "a function of the program"


@dataclass(frozen=True, slots=True)
class DeclaredOrigin:
    """An ensemble of the manifest or of the program."""

    name: str
    entry: EnsembleEntry
    folder: None = None
    state: Signature = ()
    """Its steps never change."""

    def __str__(self) -> str:
        return "an ensemble that is declared"


@dataclass(frozen=True, slots=True)
class EndpointOrigin:
    """The versions of an endpoint of the manifest."""

    name: str
    entries: tuple[EndpointEntry, ...]
    folder: None = None

    @property
    def state(self) -> Signature:
        """How the files of all versions are now. Blocks."""
        return tuple(chain.from_iterable(entry.state for entry in self.entries))

    def __str__(self) -> str:
        return "an endpoint that is declared"


@dataclass(frozen=True, slots=True)
class ApplicationOrigin:
    """A web application."""

    name: str
    entry: ApplicationEntry
    folder: None = None
    state: Signature = ()
    """Nobody looks at its files; `--reload` does."""

    def __str__(self) -> str:
        return str(self.entry)


AnyOrigin = Origin | BoundOrigin | DeclaredOrigin | EndpointOrigin | ApplicationOrigin


@dataclass(slots=True)
class Survey:
    """What all sources offered at one moment."""

    origins: dict[str, list[AnyOrigin]] = field(default_factory=dict)
    """By name, sorted; several where sources disagree about who has the name."""
    problems: dict[str, NaiadError] = field(default_factory=dict)
    """By the name of a source that offers nothing: why."""
    missing: NaiadError | None = None
    """Why a repository that is to be served, with whatever models it has, is none."""
    is_whole: bool = True
    """Whether every source could be read; if not, what is not here may be there all the same."""

    def unit_of(self, name: str) -> str:
        """Return what offers a model: itself, or for a view, as NAME.tensors, its model if no other is called so."""
        base = name.rpartition(".")[0]
        return base if name not in self.origins and base in self.origins else name

    def is_ambiguous(self, name: str) -> bool:
        """Whether two sources claim a name; then neither is served, so that their order decides nothing."""
        return len(self.origins.get(name, ())) > 1


class Sources:
    """The sources of one server."""

    def __init__(
        self, entries: Sequence[Entry], bindings: Bindings | None = None, *, may_be_empty: bool = False
    ) -> None:
        """bindings: functions to serve, too. may_be_empty: a folder without models is one that will get some."""
        self._entries = tuple(entry for entry in entries if isinstance(entry, ModelEntry))
        self._declared = tuple(entry for entry in entries if isinstance(entry, EnsembleEntry))
        self._endpoints: dict[str, tuple[EndpointEntry, ...]] = {}
        for entry in entries:
            if isinstance(entry, EndpointEntry):
                self._endpoints[entry.name] = (*self._endpoints.get(entry.name, ()), entry)
        self.applications = tuple(entry for entry in entries if isinstance(entry, ApplicationEntry))
        """Web applications."""
        self._bindings = bindings or Bindings()
        self._may_be_empty = may_be_empty

    @property
    def notices(self) -> list[str]:
        """What the user should be told about how sources were understood."""
        return [entry.source.note for entry in self._entries if entry.source.note]

    def survey(self) -> Survey:
        """Look at every source. Blocks for a few system calls per model."""
        survey = Survey()
        found: list[AnyOrigin] = [BoundOrigin(name, bindings) for name, bindings in self._bindings.snapshot().items()]
        found += [DeclaredOrigin(entry.name, entry) for entry in self._declared]
        found += [EndpointOrigin(name, entries) for name, entries in self._endpoints.items()]
        found += [ApplicationOrigin(entry.name, entry) for entry in self.applications]
        for entry in self._entries:
            try:
                found += self._origins(entry)
            except NaiadError as error:
                survey.problems[entry.name or entry.source.default_name] = error
                survey.missing = error if entry.is_repository else survey.missing
            except OSError as error:
                problem = InvalidConfiguration(f"{entry.source} cannot be read: {error}", source=str(entry.source))
                survey.problems[entry.name or entry.source.default_name] = problem
                survey.is_whole = False
        for origin in sorted(found, key=lambda origin: origin.name):
            survey.origins.setdefault(origin.name, []).append(origin)
        return survey

    def _origins(self, entry: ModelEntry) -> list[Origin]:
        source = entry.source
        if isinstance(source, FolderReference):
            folder = source.path
        elif isinstance(source, PackageReference):
            folder = find_folder(source)
        elif isinstance(source, StoreReference):
            return self._stored(entry, source)
        else:
            return [Origin(entry.name or source.default_name, entry)]
        if not folder.is_dir():
            recognise(folder)  # raises, and says so
        if entry.is_repository:
            return [Origin(child.name, entry, child, is_triton=True) for child in list_models(folder)]
        if holds_checkpoint(folder):
            return [Origin(entry.name or model_name(source, folder), entry, folder)]
        if holds_model(folder):
            return [Origin(entry.name or folder.name, entry, folder, is_triton=True)]
        origins = [Origin(child.name, entry, child, is_triton=True) for child in list_models(folder)]
        _check_no_name(entry, origins)
        if not origins and not self._may_be_empty:
            recognise(folder)  # raises, and says what was looked for
        return origins

    def _stored(self, entry: ModelEntry, source: StoreReference) -> list[Origin]:
        """The same of an object store: one listing tells."""
        listing = list_store(source)
        if not entry.is_repository and (listing.is_checkpoint or listing.is_model):
            one = replace(entry, source=replace(source, listing=listing))
            return [Origin(entry.name or source.default_name, one, is_triton=not listing.is_checkpoint)]
        origins = [
            Origin(name, replace(entry, source=source.child(name, child)), is_triton=True)
            for name, child in sorted(listing.children().items())
            if child.is_model
        ]
        if entry.is_repository:
            return origins
        _check_no_name(entry, origins)
        if not origins and not self._may_be_empty:
            raise InvalidConfiguration(
                f"{source} holds nothing to serve: looked for config.json (a checkpoint), for config.pbtxt or a "
                "numbered version folder (a Triton model), and for folders that have these (a model repository); found "
                f"{len(listing.files) or 'no'} objects",
                source=str(source),
            )
        return origins


def _check_no_name(entry: ModelEntry, origins: Sequence[Origin]) -> None:
    """Raise InvalidConfiguration for one name for several models."""
    if entry.name and origins:
        raise InvalidConfiguration(
            f"'{entry.name}={entry.source}': that folder is a repository of {len(origins)} models, which have their "
            "own names; leave the name out, or give the folder of one model",
            source=str(entry.source),
        )
