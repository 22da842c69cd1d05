"""ClearML-Serving's endpoints → EndpointModel: a pool of workers that run a class `Preprocess`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from naiad.backends.registry import find_backend
from naiad.core.contracts import LoadRequest, TensorFiles
from naiad.core.errors import InvalidRequest, LoadFailed
from naiad.core.model.host import ModelHost
from naiad.core.settings.config import ModelSettings
from naiad.core.user_code.endpoint import BODY, Endpoint
from naiad.loading.backend_settings import settings_of
from naiad.loading.statistics import statistics_of
from naiad.loading.tensor_models import checked, instance_names
from naiad.modelconfig import prepare
from naiad.observe.starvation import Starvation
from naiad.serving.endpoints.host import EndpointHost
from naiad.serving.endpoints.model import EndpointModel
from naiad.serving.endpoints.series import Series
from naiad.serving.model import ServedModel

BACKEND = "python"
"""Which one has the worker processes."""

_HOOKS = ("preprocess", "process", "postprocess")

_log = logging.getLogger("naiad.loading")


def load_endpoint(endpoint: Endpoint, settings: ModelSettings, host: ModelHost | None) -> list[ServedModel]:
    """Start the workers of one version. Blocks. Raises LoadFailed with what the code raises."""
    began_s = time.perf_counter()
    name, version = endpoint.model_name, str(endpoint.version or 1)
    if host is None:
        raise LoadFailed(f"endpoint '{endpoint.url}' needs a server around it", model=name)
    _tell_of_requirements(endpoint)
    config = checked(prepare(_document(endpoint), name), None, settings)
    starvation = Starvation(endpoint.model, endpoint.workers)
    try:
        series = Series(endpoint, host.metrics)
    except InvalidRequest as error:
        raise LoadFailed(f"endpoint '{endpoint.url}': {error.message}", model=name) from error

    def heard(what: str, given: Mapping[str, Any]) -> None:
        if what == "ran":
            hooks = {hook: float(given[hook]) for hook in _HOOKS if hook in given}
            starvation.ran(float(given["held"]), float(given["processor"]), hooks)
            if given["is_success"]:
                series.ran()
        else:
            series.collected(float(given["latency"]), given["values"])

    own_host = EndpointHost(host, endpoint.model, endpoint.model_version, starvation)
    request = LoadRequest(
        TensorFiles(config, version, endpoint.folder, endpoint.folder, endpoint),
        instance_names(config),
        settings=settings_of(settings.backend_config, BACKEND),
        hang_timeout_s=settings.hang_timeout_s,
        host=own_host,
        heard=heard,
    )
    try:
        instances = find_backend(BACKEND).load(request)
    except BaseException:
        series.close()
        raise
    statistics = statistics_of(config, version, settings)
    statistics.load_s = time.perf_counter() - began_s
    return [
        EndpointModel(
            endpoint,
            config,
            version,
            instances,
            statistics=statistics,
            starvation=starvation,
            series=series,
            host=own_host,
            max_waiting=settings.max_waiting,
            runs_ahead=settings.run_ahead,
        )
    ]


def _document(endpoint: Endpoint) -> dict[str, Any]:
    """The configuration of the model that an endpoint is."""
    facts = {"endpoint": endpoint.url, "engine": endpoint.engine, "model": endpoint.model}
    return {
        "name": endpoint.model_name,
        "backend": BACKEND,
        "max_batch_size": 0,
        "input": [{"name": BODY, "data_type": "TYPE_UINT8", "dims": [-1]}],
        "output": [{"name": BODY, "data_type": "TYPE_UINT8", "dims": [-1]}],
        "version_policy": {"all": {}},
        "instance_group": [{"count": endpoint.workers, "kind": "KIND_CPU"}],
        "parameters": {key: {"string_value": value} for key, value in facts.items() if value},
    }


def _tell_of_requirements(endpoint: Endpoint) -> None:
    """A requirements.txt beside the code is the training's as often as not, so that it is not installed unasked."""
    if endpoint.environment is None and (endpoint.folder / "requirements.txt").is_file():
        _log.info(
            "endpoint '%s': the requirements.txt beside its code is not installed; set environment to have it so",
            endpoint.url,
        )
