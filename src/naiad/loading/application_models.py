"""A web application → the models that stand for it: itself, and each of its functions whose calls are joined."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from naiad.backends.registry import open_application
from naiad.core.contracts import Instances
from naiad.core.errors import LoadFailed
from naiad.core.model.config import DynamicBatching, InstanceGroup, ModelConfig
from naiad.core.model.host import ModelHost
from naiad.core.settings.config import ModelSettings
from naiad.core.user_code.application import ApplicationEntry
from naiad.loading.statistics import statistics_of
from naiad.serving.application_model import ApplicationModel, WorkModel
from naiad.serving.model import ServedModel

VERSION = "1"

BACKEND = "application"

END_S = 30.0
"""What requests and background tasks that run, and the application's own shutdown, may take."""


def load_application(entry: ApplicationEntry, settings: ModelSettings, host: ModelHost | None) -> list[ServedModel]:
    """Start the workers, and make the models. Raises LoadFailed; blocks."""
    began_s = time.perf_counter()
    application = open_application(entry, host, settings.hang_timeout_s, END_S)
    if application.kind == "server":
        application.handlers.close()
        raise LoadFailed(f"{entry} is a naiad.Server; import naiad.Server in that file, so that this is known before")
    try:
        config = _config(entry.name, 0, entry.settings.workers)
        instances: Instances[Any] = Instances(
            (application.handlers,),
            names=(entry.name,),
            is_ready=lambda: application.is_ready,
            restarts=lambda: application.restarts,
        )
        model = ApplicationModel(
            config,
            VERSION,
            instances,
            statistics=statistics_of(config, VERSION, settings),
            max_waiting=settings.max_waiting,
        )
        model.asked = tuple(one.model for one in application.functions)
        model.end = application.handlers.close
        models: list[ServedModel] = [model]
        for one in application.functions:
            of_function = _config(one.model, one.max_batch_size, len(one.instances), one.max_wait_ms, settings)
            names = tuple(f"{one.model}_{at}" for at in range(len(one.instances)))
            run_by: Instances[Any] = Instances(one.instances, names=names)
            models.append(
                WorkModel(
                    of_function,
                    VERSION,
                    run_by,
                    statistics=statistics_of(of_function, VERSION, settings),
                    max_waiting=settings.max_waiting,
                    runs_ahead=settings.run_ahead,
                )
            )
    except BaseException:
        application.handlers.close()
        raise
    model.statistics.load_s = time.perf_counter() - began_s
    return models


def _config(
    name: str, rows: int, instances: int, wait_ms: float | None = None, settings: ModelSettings | None = None
) -> ModelConfig:
    document: dict[str, Any] = {
        "name": name,
        "backend": BACKEND,
        "max_batch_size": rows,
        "input": [],
        "output": [],
        "version_policy": {"all": {}},
        "instance_group": [{"name": name, "count": instances, "kind": "KIND_CPU"}],
    }
    config = ModelConfig(
        name,
        backend=BACKEND,
        max_batch_size=rows,
        instance_groups=(InstanceGroup(name, "KIND_CPU", instances),),
        document=document,
    )
    if wait_ms is not None:
        document["dynamic_batching"] = {"max_queue_delay_microseconds": str(round(wait_ms * 1000))}
        config = replace(config, dynamic_batching=DynamicBatching(max_queue_delay_s=wait_ms / 1000))
    if settings is not None and not settings.batching:
        return replace(config, parameters={"batching": "off"})
    if settings is not None and (not settings.adaptive_batching or wait_ms == 0):
        return replace(config, parameters={"batching": "immediate"})
    return config
