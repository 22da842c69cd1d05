"""What text and image models have in common when they are loaded: the encoder, the queue before it, the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from naiad.backends.registry import ENCODERS, find_backend
from naiad.core.contracts import LoadRequest, Task
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.errors import LoadFailed
from naiad.core.machine.cores import available_cores, most_instances
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.settings.config import ModelSettings
from naiad.loading.backend_settings import settings_of
from naiad.loading.learning import BatchSizes, choose_policy
from naiad.modelconfig import finish
from naiad.repository import ModelEntry
from naiad.serving.encoder_queue import EncoderQueue


def open_queue(
    entry: ModelEntry,
    settings: ModelSettings,
    model: EncoderFiles | EncoderPair,
    sizes: BatchSizes,
    *,
    max_waiting: int | None = None,
) -> EncoderQueue:
    """Load an encoder and put a queue before it. max_waiting: most items that may wait, whatever the settings say.

    Raises LoadFailed.
    """
    count = entry.batching.instances or settings.instances or available_cores()
    if count > most_instances():
        raise LoadFailed(f"'{entry.name}': {count} instances, this machine allows {most_instances()}; lower the number")
    names = tuple(f"{entry.name}_{number}" for number in range(count))
    told = settings_of(settings.backend_config, ENCODERS)
    instances = find_backend(ENCODERS).load(LoadRequest(model, names, settings=told))
    waiting = entry.batching.max_queue_size or settings.max_waiting
    if max_waiting is not None:
        waiting = min(waiting, max_waiting) if waiting else max_waiting
    policy = choose_policy(entry, settings, instances, sizes)
    return EncoderQueue(entry.name, instances, policy, max_waiting=waiting)


def describe_model(entry: ModelEntry, suffix: str, platform: str, task: Task, facts: Mapping[str, str]) -> ModelConfig:
    """Describe a model in Triton's terms: no batch dimension, one variable dimension for how many texts or images.

    suffix: what its name has behind the entry's.
    """

    def describe(tensor: TensorConfig) -> dict[str, Any]:
        kind = "TYPE_STRING" if tensor.datatype == "BYTES" else f"TYPE_{tensor.datatype}"
        return {"name": tensor.name, "data_type": kind, "dims": list(tensor.dims)}

    document = {
        "name": entry.name + suffix,
        "platform": platform,
        "backend": "naiad",
        "max_batch_size": 0,
        "input": [{**describe(tensor), "optional": tensor.optional} for tensor in task.inputs],
        "output": [describe(tensor) for tensor in task.outputs],
        "parameters": {key: {"string_value": value} for key, value in facts.items()},
    }
    if entry.response_cache:
        document["response_cache"] = {"enable": True}
    return finish(document)
