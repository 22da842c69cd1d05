"""Functions of the program that runs the server → TensorModel."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from naiad.core.bf16 import float_to_bf16
from naiad.core.contracts import TensorFiles
from naiad.core.errors import LoadFailed
from naiad.core.settings.config import ModelSettings
from naiad.core.tensor import Array, Tensor
from naiad.functions import Binding
from naiad.loading.tensor_models import Load, checked, instance_names, warmed_up
from naiad.modelconfig import prepare
from naiad.serving.model import ServedModel


def plan_functions(bindings: Sequence[Binding], settings: ModelSettings) -> list[tuple[str, Load]]:
    """Give (version, how to load it) for each version that has been bound."""
    return [(str(binding.version), partial(_load, binding, settings)) for binding in bindings]


def _load(binding: Binding, settings: ModelSettings) -> list[ServedModel]:
    began_s = time.perf_counter()
    config = checked(prepare(binding.document(), binding.name), None, settings)
    here = Path.cwd()
    files = TensorFiles(config, str(binding.version), here, here)
    instances = binding.instances(config, instance_names(config))
    samples = [_sample(binding, inputs) for inputs in binding.warmup]
    return [warmed_up(files, instances, settings, began_s, samples=samples)]


def _sample(binding: Binding, inputs: Mapping[str, Array]) -> dict[str, Tensor]:
    declared = {str(tensor.name): tensor.row for tensor in binding.inputs}
    if unknown := [name for name in inputs if name not in declared]:
        raise LoadFailed(f"model '{binding.name}': warm-up has an input '{unknown[0]}', which the model does not have")
    return {name: _tensor(name, declared[name].name, np.asarray(array)) for name, array in inputs.items()}


def _tensor(name: str, datatype: str, array: Array) -> Tensor:
    if datatype == "BF16":
        return Tensor(name, datatype, float_to_bf16(array.astype(np.float32)))
    if datatype == "BYTES":
        strings = [one.encode() if isinstance(one, str) else bytes(one) for one in array.ravel().tolist()]
        made = np.empty(len(strings), np.object_)
        made[:] = strings
        return Tensor(name, datatype, made.reshape(array.shape))
    return Tensor.of(name, array)
