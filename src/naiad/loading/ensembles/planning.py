"""From the folder of an ensemble to what is known of it without its parts. Blocks; called off the event loop."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from naiad.core.errors import NaiadError
from naiad.core.model.config import ModelConfig
from naiad.core.settings.config import ModelSettings
from naiad.loading.ensembles.definition import Definition
from naiad.loading.sources import AnyOrigin, DeclaredOrigin, Origin
from naiad.loading.statistics import statistics_of
from naiad.loading.tensor_models import read_given, read_labels, versions_by_policy
from naiad.modelconfig import fields_without_effect, finish, parse_json
from naiad.modelconfig.ensemble.steps import write_ensemble
from naiad.repository import EnsembleEntry, ModelFolder

SCHEDULING = "ensemble_scheduling"
"""The field of a configuration that makes it one of an ensemble."""

_log = logging.getLogger("naiad.loading")


def plan_ensemble(folder: ModelFolder, document: Mapping[str, Any], settings: ModelSettings) -> list[Definition]:
    """Give one definition for each version that the ensemble's policy chooses, 1 if there is no version folder.

    Raises InvalidConfiguration, LoadFailed.
    """
    config = finish(document, model_dir=folder.folder)
    for field in fields_without_effect(config):
        _log.warning("model '%s': %s has no effect here", config.name, field)
    labels = read_labels(config, folder.folder)
    statistics = partial(statistics_of, settings=settings)
    versions = versions_by_policy(document, folder.name, folder.versions or (1,))
    return [Definition(config, str(version), statistics, labels) for version in versions]


def plan_declared(entry: EnsembleEntry, settings: ModelSettings) -> list[Definition]:
    """Give the definition of an ensemble whose inputs and outputs follow from its parts."""
    document: dict[str, Any] = {"name": entry.name, **write_ensemble(entry.ensemble)}
    if entry.response_cache:
        document["response_cache"] = {"enable": True}
    config = ModelConfig(entry.name, ensemble=entry.ensemble, document=document)
    return [Definition(config, "1", partial(statistics_of, settings=settings), outputs=entry.outputs)]


def parts_of(origins: Sequence[AnyOrigin], settings: ModelSettings, config: str | None = None) -> Iterable[str]:
    """Return the names of the models that an ensemble is made of; none for other models, and where it cannot be read.

    origins: where the model lies. config: JSON in place of its file. What is wrong is found when it is loaded.
    """
    with suppress(NaiadError, OSError):
        if config is not None:
            return _steps(parse_json(config))
        match origins:
            case [Origin(folder=Path() as folder, is_triton=True)]:
                return _steps(read_given(folder, settings))
            case [DeclaredOrigin(entry=entry)]:
                return entry.ensemble.models
    return ()


def _steps(document: Mapping[str, Any]) -> Iterable[str]:
    return dict.fromkeys(step["model_name"] for step in document.get(SCHEDULING, {}).get("step", ()))
