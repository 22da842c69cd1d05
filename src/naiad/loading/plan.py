"""From an entry of the manifest to a list of models to load, each of which can then fail or succeed alone.

Everything here blocks and is called off the event loop. What the models are made of is the business of its siblings:
`tensor_models` for Triton's folders, `text_models` for checkpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from naiad.core.config import ServerSettings
from naiad.core.errors import InvalidConfiguration
from naiad.loading.tensor_models import plan_triton_model
from naiad.loading.text_models import load_text_model
from naiad.repository import Fetched, FetchSettings, Layout, LayoutKind, ModelEntry, fetch, model_name, recognise
from naiad.serving.model import ServedModel

DEVICES = ("auto", "cpu")
"""What an entry's `device` may be."""

_log = logging.getLogger("naiad.loading")


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """One model version that could be served."""

    name: str
    version: str
    load: Callable[[], list[ServedModel]]
    """Blocks; gives the model and its further views. Raises NaiadError."""
    origin: str = ""
    """Where it comes from, for the log."""


def plan(entry: ModelEntry, fetching: FetchSettings, settings: ServerSettings) -> list[PlannedModel]:
    """Fetch an entry and say which models are in it. Raises NaiadError when it cannot be fetched or recognised."""
    if entry.device not in DEVICES:
        raise InvalidConfiguration(
            f"'{entry.name or entry.source}': device '{entry.device}' cannot be used: this version runs models on the "
            f"CPU only. Leave device out, or set it to one of: {', '.join(DEVICES)}",
            device=entry.device,
        )
    fetched = fetch(entry, fetching)
    for notice in fetched.notices:
        _log.warning("%s", notice)
    _log.info("%s", fetched.origin)
    layout = recognise(fetched.folder, onnx=entry.onnx_file)
    if layout.kind in (LayoutKind.TRITON_MODEL, LayoutKind.TRITON_REPOSITORY):
        return _plan_folders(entry, layout, settings)
    return [_plan_checkpoint(entry, fetched, layout, settings)]


def _plan_folders(entry: ModelEntry, layout: Layout, settings: ServerSettings) -> list[PlannedModel]:
    planned: list[PlannedModel] = []
    for folder in layout.models:
        for version, load in plan_triton_model(folder, settings):
            planned.append(PlannedModel(folder.name, version, load, str(entry.source)))
    return planned


def _plan_checkpoint(entry: ModelEntry, fetched: Fetched, layout: Layout, settings: ServerSettings) -> PlannedModel:
    name = entry.name or model_name(entry.source, fetched.folder)
    named = replace(entry, name=name)
    return PlannedModel(name, "1", lambda: load_text_model(named, fetched, layout, settings), str(entry.source))
