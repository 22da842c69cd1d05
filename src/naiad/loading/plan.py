"""From an origin to the versions to load, each of which can then fail or succeed alone.

Everything here blocks and is called off the event loop. What the models are made of is the business of its siblings:
`tensor_models` for Triton's folders, `text_models` and `images/` for checkpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from naiad.core.errors import InvalidConfiguration, NaiadError, NotFound, Unsupported
from naiad.core.model.host import ModelHost
from naiad.core.places import without_places
from naiad.core.settings.config import ModelSettings
from naiad.loading.application_models import VERSION, load_application
from naiad.loading.endpoints import load_endpoint
from naiad.loading.ensembles.definition import Definition
from naiad.loading.ensembles.planning import SCHEDULING, plan_declared, plan_ensemble
from naiad.loading.function_models import plan_functions
from naiad.loading.overrides import Override
from naiad.loading.sources import (
    AnyOrigin,
    ApplicationOrigin,
    BoundOrigin,
    DeclaredOrigin,
    EndpointOrigin,
    Origin,
)
from naiad.loading.tensor_models import plan_triton_model, read_document
from naiad.repository import (
    CONFIG_FILE,
    CONFIGS_FOLDER,
    Fetched,
    FetchSettings,
    Layout,
    LayoutKind,
    ModelEntry,
    ModelFolder,
    Signature,
    check_inside,
    fetch,
    recognise,
    signature,
    versions_of,
)
from naiad.serving.model import ServedModel

_POLICY = "version_policy"

DEVICES = ("auto", "cpu")
"""What an entry's `device` may be."""

_NOTHING: Callable[[], None] = lambda: None  # noqa: E731

_ASKED = ("task", "weights", "quantize", "output", "inputs", "options")
"""Fields of an entry that change what a checkpoint answers."""

_log = logging.getLogger("naiad.loading")


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """One model version that could be served."""

    name: str
    version: str
    load: Callable[[], list[ServedModel]]
    """Blocks; gives the model and its further views. Raises NaiadError."""
    folder: Path | None
    """None: it is not made of files."""
    made_of: Any = field(default=None, compare=False)
    """Equal to that of an earlier plan if loading this version would give the same again; None: never equal."""
    keep: Callable[[ServedModel], None] = field(default=lambda _: None, compare=False)
    """What is to be told to a model that stays because of that."""
    asked: str = field(default="", compare=False)
    """What the operator asked for that is in none of its files, as far as answers depend on it."""

    def reason(self, error: NaiadError) -> str:
        """Why it could not be loaded, for clients; a path inside the folder is told from there on."""
        message = error.message if self.folder is None else error.message.replace(f"{self.folder.parent}/", "")
        return without_places(message)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is loaded, and later unloaded, together: all versions of a model, nearly always."""

    models: list[PlannedModel]
    state: tuple[str, Signature] | None = None
    """Equal to that of an earlier plan if nothing has changed since; None: never equal."""
    discard: Callable[[], None] = lambda: None
    """Blocks; called when the models are released, or could not be loaded."""
    is_override: bool = False
    """A configuration or files came with the load: it is carried out whether or not anything has changed."""
    ensembles: list[Definition] = field(default_factory=list)
    """Those that are made of models, of this plan or others, which need not be loaded yet."""


def plan(
    origin: AnyOrigin,
    fetching: FetchSettings,
    settings: ModelSettings,
    override: Override | None = None,
    host: ModelHost | None = None,
) -> Plan:
    """Fetch a model if need be and say which versions it has. host: the server, for models that are code.

    Raises NaiadError when it cannot be fetched or recognised; LoadFailed when its policy leaves no version.
    """
    if isinstance(origin, BoundOrigin):
        return _plan_functions(origin, settings, override)
    if isinstance(origin, DeclaredOrigin):
        return _plan_ensemble(origin, settings, override)
    if isinstance(origin, EndpointOrigin):
        return _plan_endpoint(origin, settings, override, host)
    if isinstance(origin, ApplicationOrigin):
        return _plan_application(origin, settings, override, host)
    _check_device(origin)
    if origin.is_triton:
        return _plan_triton(origin, fetching, settings, override, host)
    if override is not None:
        raise Unsupported(
            f"failed to load '{origin.name}', its configuration follows from its checkpoint and cannot be replaced",
            model=origin.name,
        )
    return _plan_fetched(origin, fetching, settings, host)


def _plan_triton(
    origin: Origin,
    fetching: FetchSettings,
    settings: ModelSettings,
    override: Override | None,
    host: ModelHost | None,
) -> Plan:
    _check_no_cache(origin)
    place, release = origin.folder, _NOTHING
    if place is None:
        fetched = _fetch(origin, fetching)
        place, release = fetched.folder, fetched.release
    try:
        files = signature(place)  # before reading: what changes meanwhile is seen later
        folder = _model_folder(origin.name, place)
        state = (str(place), files)
        if override is not None:
            planned = _planned(folder, settings, host, override)
            return replace(planned, state=state, discard=release, is_override=True)
        return replace(_planned(folder, settings, host, files=files), state=state, discard=release)
    except BaseException:
        release()
        raise


def _fetch(origin: Origin, fetching: FetchSettings) -> Fetched:
    """Fetch a model and say so in the log."""
    fetched = fetch(origin.entry, fetching)
    for notice in fetched.notices:
        _log.warning("%s", notice)
    _log.info("%s", fetched.origin)
    return fetched


def plan_upload(name: str, override: Override, settings: ModelSettings, host: ModelHost | None = None) -> Plan:
    """Say which versions there are in the folder of an override; `discard` removes it."""
    if override.folder is None:
        raise NotFound(f"there is no folder for model '{name}'", model=name)
    planned = _planned(_model_folder(name, override.folder), settings, host, override)
    return replace(planned, discard=override.discard, is_override=True)


def _plan_ensemble(origin: DeclaredOrigin, settings: ModelSettings, override: Override | None) -> Plan:
    _refuse(override, origin, "its configuration follows from its steps and cannot be replaced")
    return Plan([], (str(origin), ()), ensembles=plan_declared(origin.entry, settings))


def _plan_endpoint(
    origin: EndpointOrigin, settings: ModelSettings, override: Override | None, host: ModelHost | None
) -> Plan:
    _refuse(override, origin, "its configuration is the manifest's and cannot be replaced")
    states = [entry.state for entry in origin.entries]  # before anything is read: what changes meanwhile is seen later
    models = [
        PlannedModel(
            origin.name,
            str(entry.endpoint.version or 1),
            partial(load_endpoint, entry.endpoint, settings, host),
            None,
            (entry.endpoint, state),
        )
        for entry, state in zip(origin.entries, states, strict=True)
    ]
    return Plan(models, (str(origin), tuple(chain.from_iterable(states))))


def _plan_functions(origin: BoundOrigin, settings: ModelSettings, override: Override | None) -> Plan:
    _refuse(override, origin, "its configuration is the program's and cannot be replaced")
    made_of = {str(binding.version): id(binding) for binding in origin.bindings}
    loads = plan_functions(origin.bindings, settings)
    return Plan([PlannedModel(origin.name, version, load, None, made_of[version]) for version, load in loads])


def _plan_application(
    origin: ApplicationOrigin, settings: ModelSettings, override: Override | None, host: ModelHost | None
) -> Plan:
    _refuse(override, origin, "it is an application, which has no configuration to replace")
    load = partial(load_application, origin.entry, settings, host)
    return Plan([PlannedModel(origin.name, VERSION, load, None)])


def _refuse(override: Override | None, origin: AnyOrigin, why: str) -> None:
    """Raise Unsupported if there is a configuration in the place of one that cannot be replaced."""
    if override is not None:
        raise Unsupported(f"failed to load '{origin.name}', {why}", model=origin.name)


def _check_device(origin: Origin) -> None:
    device = origin.entry.device
    if device not in DEVICES:
        raise InvalidConfiguration(
            f"'{origin.name}': device '{device}' cannot be used, because this version runs checkpoints on "
            f"the CPU only. Leave device out, or set it to one of: {', '.join(DEVICES)}",
            device=device,
        )


def _check_no_cache(origin: Origin) -> None:
    if origin.entry.response_cache:
        raise InvalidConfiguration(
            f"'{origin.name}': response_cache is for checkpoints; a model of a repository says it in its config.pbtxt: "
            "response_cache { enable: true }",
            model=origin.name,
        )


def _model_folder(name: str, folder: Path) -> ModelFolder:
    """Look into a Triton model's folder. Raises NotFound if it is gone, InvalidConfiguration for bad links."""
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}", folder=str(folder))
    check_inside(folder)
    return ModelFolder(name, folder, versions_of(folder))


def _planned(
    folder: ModelFolder,
    settings: ModelSettings,
    host: ModelHost | None,
    override: Override | None = None,
    files: Signature | None = None,
) -> Plan:
    """files: of the folder; None: no version is like one of an earlier plan."""
    document = read_document(folder, settings, None if override is None else override.document)
    if SCHEDULING in document:
        return Plan([], ensembles=plan_ensemble(folder, document, settings))
    keep = partial(_take_policy, document)
    return Plan(
        [
            PlannedModel(folder.name, version, load, folder.folder, _made_of(folder, version, document, files), keep)
            for version, load in plan_triton_model(folder, document, settings, host)
        ]
    )


def _made_of(folder: ModelFolder, version: str, document: Mapping[str, Any], files: Signature | None) -> Any:
    """Everything that makes a version what it is: all but the policy that chose it, and the other versions' files."""
    if files is None:
        return None
    rest = {key: value for key, value in document.items() if key != _POLICY}
    others = {str(number) for number in folder.versions} - {version}
    apart = others | {CONFIG_FILE, CONFIGS_FOLDER}  # what they say is in the document
    return str(folder.folder), rest, tuple(row for row in files if Path(row[0]).parts[0] not in apart)


def _take_policy(document: Mapping[str, Any], model: ServedModel) -> None:
    """Let a model that stays show the policy that chose it now."""
    model.config = replace(model.config, document={**model.config.document, _POLICY: document[_POLICY]})


def _plan_fetched(origin: Origin, fetching: FetchSettings, settings: ModelSettings, host: ModelHost | None) -> Plan:
    entry, fetched = origin.entry, _fetch(origin, fetching)
    state = (str(fetched.folder), signature(fetched.folder))
    layout = recognise(fetched.folder, onnx=entry.onnx_file)
    if layout.models:
        _check_no_cache(origin)
        plans = list(_plan_folders(origin, layout, settings, host))
        models = [model for plan in plans for model in plan.models]
        ensembles = [ensemble for plan in plans for ensemble in plan.ensembles]
        return Plan(models, state, fetched.release, ensembles=ensembles)
    named = replace(entry, name=origin.name)
    load = partial(_load_checkpoint, named, fetched, layout, settings)
    asked = repr(([(key, getattr(entry, key)) for key in _ASKED], settings.quantize))
    return Plan([PlannedModel(origin.name, "1", load, fetched.folder, asked=asked)], state, fetched.release)


def _load_checkpoint(entry: ModelEntry, fetched: Fetched, layout: Layout, settings: ModelSettings) -> list[ServedModel]:
    """Load a checkpoint of a text or an image model, whichever it is."""
    # A third of all our code: a server of other models is ready sooner without.
    from naiad.loading.images.choice import image_task, load_image_model
    from naiad.loading.text_models import load_text_model

    task = image_task(entry, fetched.folder)
    if task:
        return load_image_model(entry, task, fetched, layout, settings)
    return load_text_model(entry, fetched, layout, settings)


def _plan_folders(origin: Origin, layout: Layout, settings: ModelSettings, host: ModelHost | None) -> Iterator[Plan]:
    """A repository that was fetched whole: its models have their folders' names. One model has its entry's."""
    for folder in layout.models:
        is_alone = layout.kind is LayoutKind.TRITON_MODEL
        yield _planned(replace(folder, name=origin.name) if is_alone else folder, settings, host)
