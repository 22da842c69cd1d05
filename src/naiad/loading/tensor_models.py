"""Triton's model folders: config.pbtxt and a file for some runtime → TensorModel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from naiad.backends.registry import find_backend
from naiad.core.config import ServerSettings
from naiad.core.contracts import LoadRequest
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.model_config import ModelConfig
from naiad.modelconfig import check_servable, choose_versions, finish, parse_pbtxt, prepare
from naiad.repository import ModelFolder
from naiad.scheduling.runner import Runner
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel

CONFIG_FILE = "config.pbtxt"

Load = Callable[[], list[ServedModel]]


def plan_triton_model(folder: ModelFolder, settings: ServerSettings) -> Iterator[tuple[str, Load]]:
    """Give (version, how to load it) for each version that the model's policy chooses.

    A config that is wrong makes one entry that fails when it is loaded, so that the model shows up with its reason.
    """
    try:
        document = _document(folder)
        versions = choose_versions(document.get("version_policy"), folder.versions, folder.name)
    except NaiadError as error:
        yield str(max(folder.versions, default=1)), partial(_raise, error)
        return
    for version in versions:
        yield str(version), partial(_load, folder, version, document, settings)


def _raise(error: NaiadError) -> list[ServedModel]:
    raise error


def _document(folder: ModelFolder) -> dict[str, Any]:
    """Read config.pbtxt, or begin with an empty one, and fill in what names tell."""
    path = folder.folder / CONFIG_FILE
    given = parse_pbtxt(path.read_text(encoding="utf-8"), str(path)) if folder.has_config else {}
    newest = folder.folder / str(max(folder.versions, default=1))
    files = [child.name for child in newest.iterdir()] if newest.is_dir() else []
    return dict(prepare(given, folder.name, files))


def _load(folder: ModelFolder, version: int, document: dict[str, Any], settings: ServerSettings) -> list[ServedModel]:
    began_s = time.perf_counter()
    version_dir = folder.folder / str(version)
    backend = find_backend(document.get("backend", "") or document.get("platform", ""))
    completed = backend.complete(document, version_dir, {})
    config = finish(completed, model_dir=folder.folder, allow_gpu_kind_on_cpu=settings.allow_gpu_kind_on_cpu)
    check_servable(config)
    if not settings.batching:
        config = _unbatched(config)
    runners: list[Runner] = []
    for index in range(config.instance_count):
        name = f"{config.name}_{index}"
        request = LoadRequest(config, str(version), folder.folder, version_dir, name)
        runners.append(Runner(backend.load(request), name, may_inline=True))
    model = TensorModel(config, str(version), runners, labels=_labels(config, folder.folder))
    model.statistics.load_s = time.perf_counter() - began_s
    return [model]


def _unbatched(config: ModelConfig) -> ModelConfig:
    return replace(config, parameters={**config.parameters, "batching": "off"})


def _labels(config: ModelConfig, folder: Path) -> dict[str, list[str]]:
    """Labels of outputs that name a label file, for the classification extension."""
    labels: dict[str, list[str]] = {}
    for output in config.outputs:
        if output.label_filename:
            path = folder / output.label_filename
            try:
                labels[output.name] = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise LoadFailed(f"{path}: label file of output '{output.name}' cannot be read: {error}") from error
    return labels
