"""Triton's model folders: config.pbtxt and a file for some runtime → TensorModel."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from naiad.backends.registry import find_backend
from naiad.core.contracts import Instances, LoadRequest, RunsOnGpus, TensorFiles
from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.core.model.host import ModelHost
from naiad.core.settings.config import ModelSettings
from naiad.core.tensor import Tensor
from naiad.loading.backend_settings import settings_of
from naiad.loading.initial_states import initial_states
from naiad.loading.statistics import statistics_of
from naiad.loading.warmup import warm_up
from naiad.modelconfig import (
    GpuKind,
    check_servable,
    choose_versions,
    fields_without_effect,
    finish,
    parse_pbtxt,
    prepare,
)
from naiad.repository import CONFIG_FILE, CONFIGS_FOLDER, ModelFolder, check_relative_path
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel

_log = logging.getLogger("naiad.loading")

Load = Callable[[], list[ServedModel]]


def plan_triton_model(
    folder: ModelFolder, document: dict[str, Any], settings: ModelSettings, host: ModelHost | None = None
) -> list[tuple[str, Load]]:
    """Give (version, how to load it) for each version that a model's policy chooses. Raises LoadFailed for none."""
    versions = versions_by_policy(document, folder.name, folder.versions)
    return [(str(version), partial(_load, folder, version, document, settings, host)) for version in versions]


def versions_by_policy(document: Mapping[str, Any], name: str, available: Sequence[int]) -> list[int]:
    """Return the versions that a configuration chooses, ascending. Raises LoadFailed when none is left."""
    try:
        return choose_versions(document.get("version_policy"), available, name)
    except InvalidConfiguration as error:
        raise LoadFailed(error.message, model=name) from error


def read_document(
    folder: ModelFolder, settings: ModelSettings, override: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Read the configuration, or begin with an empty one, and fill in what names tell.

    override: a configuration in place of the file's. Raises InvalidConfiguration for a configuration that is wrong
    whatever the model file says.
    """
    given = dict(read_given(folder.folder, settings) if override is None else override)
    if given.get("name") == folder.folder.name:
        given["name"] = folder.name  # an entry's name goes before the folder's
    newest = folder.folder / str(max(folder.versions, default=1))
    files = [child.name for child in newest.iterdir()] if newest.is_dir() else []
    document = dict(prepare(given, folder.name, files))
    if not settings.auto_complete_config or (document["input"] and document["output"]):
        finish(document, gpu_kind=_gpu_kind(document, settings))  # for its errors, before any file's
    elif document["max_batch_size"] < 0:
        raise InvalidConfiguration(f"'max_batch_size' must be non-negative value for {folder.name}", model=folder.name)
    return document


def read_given(folder: Path, settings: ModelSettings) -> Mapping[str, Any]:
    """Read a model's configuration as it is written; nothing where there is none. Raises InvalidConfiguration."""
    path = folder / CONFIG_FILE
    if settings.config_name:
        named = folder / CONFIGS_FOLDER / f"{check_relative_path(settings.config_name)}.pbtxt"
        path = named if named.is_file() else path
    if path.is_file():
        return parse_pbtxt(path.read_bytes(), str(path))
    if settings.auto_complete_config:
        return {}
    raise InvalidConfiguration(f"{path} is missing, and --no-auto-complete-config requires one", model=folder.name)


def _load(
    folder: ModelFolder, version: int, document: dict[str, Any], settings: ModelSettings, host: ModelHost | None
) -> list[ServedModel]:
    began_s = time.perf_counter()
    version_dir = folder.folder / str(version)
    config = _config(folder, version_dir, document, settings)
    backend = find_backend(config.backend, settings.backend_directory)
    labels = read_labels(config, folder.folder)
    told = settings_of(settings.backend_config, config.backend)
    is_counted = any(group.get("count") for group in document.get("instance_group", ()))
    is_narrow = is_counted or config.sequence_batching is not None
    files = TensorFiles(config, str(version), folder.folder, version_dir)
    names, wide_threads = instance_names(config), 1 if is_narrow else 0
    hang_s = settings.hang_timeout_s
    request = LoadRequest(files, names, wide_threads=wide_threads, settings=told, hang_timeout_s=hang_s, host=host)
    instances = backend.load(request)
    return [warmed_up(files, instances, settings, began_s, labels=labels)]


def warmed_up(
    files: TensorFiles,
    instances: Instances[InferRequest],
    settings: ModelSettings,
    began_s: float,
    labels: Mapping[str, Sequence[str]] | None = None,
    samples: Sequence[Mapping[str, Tensor]] = (),
) -> TensorModel:
    """Run the samples of the configuration, and further ones, then make the model. Raises LoadFailed; closes them then.

    began_s: when the load began, by `time.perf_counter`. samples: inputs of requests.
    """
    config, version = files.config, files.version
    try:
        statistics = statistics_of(config, version, settings)
        begin = initial_states(config, files.model_dir)
        warm_up(config, version, instances, files.model_dir, samples, begin)
    except BaseException:
        instances.close()
        raise
    statistics.load_s = time.perf_counter() - began_s
    return TensorModel(
        config,
        version,
        instances,
        labels=labels,
        statistics=statistics,
        max_waiting=settings.max_waiting,
        runs_ahead=settings.run_ahead,
        initial_states=begin,
    )


def _config(folder: ModelFolder, version_dir: Path, document: dict[str, Any], settings: ModelSettings) -> ModelConfig:
    """Complete, check and view the document."""
    backend_name = document.get("backend", "")
    if backend_name and settings.auto_complete_config:  # ensembles have none
        told = settings_of(settings.backend_config, backend_name)
        backend = find_backend(backend_name, settings.backend_directory)
        document = backend.complete(document, version_dir, told)
    return checked(document, folder.folder, settings)


def checked(document: Mapping[str, Any], model_dir: Path | None, settings: ModelSettings) -> ModelConfig:
    """Check and view a complete document; tell the operator what of it has no effect.

    model_dir: with it, files that the document names must be there. Raises InvalidConfiguration, LoadFailed.
    """
    gpu_kind = _gpu_kind(document, settings)
    config = finish(document, model_dir=model_dir, gpu_kind=gpu_kind)
    check_servable(config)
    for field in fields_without_effect(config):
        _log.warning("model '%s': %s has no effect here", config.name, field)
    if gpu_kind is GpuKind.CPU and _asks_for_gpu(document):
        _log.warning("model '%s' asks for KIND_GPU; it is served on the CPU", config.name)
    if not settings.batching or (config.dynamic_batching is None and not settings.join_waiting):
        config = replace(config, parameters={**config.parameters, "batching": "off"})
    elif not settings.adaptive_batching:
        config = replace(config, parameters={"batching": "immediate", **config.parameters})
    return config


def _gpu_kind(document: Mapping[str, Any], settings: ModelSettings) -> GpuKind:
    """Say where groups of KIND_GPU run: on a GPU where the backend can, and then nowhere else."""
    if _asks_for_gpu(document):
        with suppress(LoadFailed):  # of a backend that there is not; who loads the model says so
            backend = find_backend(document.get("backend", ""), settings.backend_directory)
            if isinstance(backend, RunsOnGpus) and backend.has_gpus:
                return GpuKind.GPU
    return GpuKind.CPU if settings.allow_gpu_kind_on_cpu else GpuKind.REFUSED


def _asks_for_gpu(document: Mapping[str, Any]) -> bool:
    return any(group.get("kind") == "KIND_GPU" for group in document.get("instance_group", ()))


def instance_names(config: ModelConfig) -> tuple[str, ...]:
    """`<group>_<i>` for every instance that takes requests."""
    groups = [group for group in config.instance_groups if not group.is_passive]
    return tuple(f"{group.name}_{index}" for group in groups for index in range(group.count))


def read_labels(config: ModelConfig, folder: Path) -> dict[str, list[str]]:
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
