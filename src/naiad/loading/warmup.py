"""Runs the samples of `model_warmup` through every instance before a version is ready; nothing of it is counted.

Source: Triton, `ModelWarmup` of model_config.proto. A sample of `batch_size` N is N requests of one row that run
together, `count` times (0 counts 1); one of batch size 0 is skipped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from naiad.core.contracts import Batch, Instances, StreamingInstance
from naiad.core.datatypes import BY_CONFIG_NAME
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.foreign import is_librarys
from naiad.core.message import InferRequest, SequenceStep
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Array, Tensor
from naiad.loading.data_files import read_data
from naiad.protocol.binary import decode
from naiad.scheduling.sequences.steps import Steps
from naiad.serving.validation import RequestCheck

FOLDER = "warmup"
"""Inside the model's folder: where `input_data_file` is."""

MOST_RUNS = 10_000
"""Of one sample on one instance."""

MOST_REQUESTS = 65_536
"""Of one sample."""

MOST_BYTES = 1024**3
"""Inputs of all requests of one sample; a string counts eight bytes and its own."""

STREAM_LIMIT_S = 3600.0
"""How long a streaming instance may take for its last answers."""

_log = logging.getLogger("naiad.loading")


@dataclass(frozen=True, slots=True)
class Sample:
    """One entry of `model_warmup`, ready to run."""

    name: str
    runs: int
    requests: Sequence[InferRequest]


def warm_up(
    config: ModelConfig,
    version: str,
    instances: Instances[Any],
    model_dir: Path,
    further: Sequence[Mapping[str, Tensor]] = (),
    initial_states: Mapping[str, Array] | None = None,
) -> None:
    """Run every sample on every instance, the wide one included. Raises LoadFailed for one that cannot be run.

    further: inputs of requests that are samples, too. initial_states: what the sequences of a model begin with.
    """
    check = RequestCheck(config)
    makers: list[Callable[[], Sample]] = [
        partial(make_sample, config, version, entry, model_dir) for entry in config.document.get("model_warmup", ())
    ]
    for number, inputs in enumerate(further, 1):
        request = InferRequest(config.name, version, inputs=dict(inputs))
        makers.append(partial(Sample, f"request {number}", 1, [request]))
    for make in makers:
        try:
            sample = make()
            for request in sample.requests[:1]:
                check.rows(request)
        except NaiadError as error:
            raise LoadFailed(f"model '{config.name}': {error.message}", model=config.name) from error
        if sample.requests:
            sample = _as_sequences(config, sample, initial_states or {})
            for name, instance in zip([*instances.names, "wide"], instances.all, strict=False):
                _run(config, name, instance, sample)


def make_sample(config: ModelConfig, version: str, entry: Mapping[str, Any], model_dir: Path) -> Sample:
    """Make the requests of one entry; no request for one of batch size 0. Raises LoadFailed in Triton's words."""
    name, count, rows = entry["name"], max(1, entry["count"]), entry["batch_size"]
    if count > MOST_RUNS:
        raise LoadFailed(f"warmup sample '{name}' has a count of {count}; up to {MOST_RUNS} are allowed")
    if rows > MOST_REQUESTS:
        raise LoadFailed(f"warmup sample '{name}' has a batch_size of {rows}; up to {MOST_REQUESTS} are allowed")
    if rows == 0:
        return Sample(name, count, ())
    tensors: dict[str, Tensor] = {}
    left = MOST_BYTES // rows
    for input_name, given in sorted(entry["inputs"].items()):
        tensors[input_name], size = _tensor(config, input_name, given, left, model_dir / FOLDER)
        left -= size
    requests = [InferRequest(config.name, version, inputs=tensors) for _ in range(rows)]
    return Sample(name, count, requests)


def _as_sequences(config: ModelConfig, sample: Sample, initial_states: Mapping[str, Array]) -> Sample:
    """Make each request a whole sequence, where the model takes its requests as steps of such."""
    if config.sequence_batching is None:
        return sample
    steps = Steps(config, initial_states)
    for number, request in enumerate(sample.requests, start=1):
        request.sequence = SequenceStep(str(number) if steps.takes_text_ids else number, True, True)
    return replace(sample, requests=[steps.complete_alone(request) for request in sample.requests])


def _tensor(
    config: ModelConfig, name: str, given: Mapping[str, Any], most_bytes: int, folder: Path
) -> tuple[Tensor, int]:
    """Make an input, and say how many bytes it takes."""
    row, dims = BY_CONFIG_NAME.get(given["data_type"]), tuple(given["dims"])
    if row is None:
        raise LoadFailed(f"warmup setting expects input '{name}' to have data_type set")
    if any(dim < 0 for dim in dims):
        raise LoadFailed(f"warmup setting expects all variable-size dimensions are specified for input '{name}'")
    elements = prod(dims)
    size = elements * (row.size_bytes or 8)
    if size > most_bytes:
        raise LoadFailed(f"warmup setting of input '{name}' takes too much memory; {MOST_BYTES} bytes are allowed")
    if given.get("input_data_file"):
        raw = read_data("warmup", folder, given["input_data_file"], row, size, most_bytes)
        size = max(size, len(raw))
    elif "zero_data" in given or ("random_data" in given and row.name == "BYTES"):
        raw = bytes(elements * (row.size_bytes or 4))
    elif "random_data" in given:
        raw = np.random.default_rng(0).bytes(size)
        if row.name == "BOOL":
            raw = (np.frombuffer(raw, np.uint8) & 1).tobytes()
    else:
        raise LoadFailed(f"warmup setting expects input '{name}' to have input_data_type set")
    has_rows = config.max_batch_size > 0
    return decode(name, row.name, (1, *dims) if has_rows else dims, raw), size


def _run(config: ModelConfig, instance_name: str, instance: Any, sample: Sample) -> None:
    rows, most = len(sample.requests), config.max_batch_size
    if rows > max(1, most):
        raise _failed(config, sample, [f"batch size {rows} for '{config.name}', max allowed is {most}"])
    for iteration in range(1, sample.runs + 1):
        _log.debug(
            "model '%s' instance %s is running warmup sample '%s' for iteration %d",
            config.name,
            instance_name,
            sample.name,
            iteration,
        )
        errors = list(dict.fromkeys(error.message for error in _errors(instance, Batch(sample.requests))))
        if errors:
            raise _failed(config, sample, errors)


def _failed(config: ModelConfig, sample: Sample, errors: Sequence[str]) -> LoadFailed:
    reasons = "".join(f"{error}; " for error in errors)
    return LoadFailed(f"model '{config.name}': failed to run warmup sample '{sample.name}': {reasons}".rstrip())


def _errors(instance: Any, batch: Batch[InferRequest]) -> Iterator[NaiadError]:
    """Run a batch once; give what went wrong."""
    try:
        results = _streamed(instance, batch) if hasattr(instance, "capacity") else instance.execute(batch)
    except NaiadError as error:
        yield error
    except BaseException as error:  # a model may raise anything
        if not is_librarys(error):
            raise
        yield LoadFailed(f"{type(error).__name__}: {error}")
    else:
        yield from (result for result in results if isinstance(result, NaiadError))


def _streamed(instance: StreamingInstance[InferRequest], batch: Batch[InferRequest]) -> list[Any]:
    """Everything that a streaming instance sends for a batch."""
    results: list[Any] = []
    left = set(range(len(batch.items)))
    ended = threading.Event()

    def send(number: int, result: Any, is_final: bool) -> bool:
        results.append(result)
        if is_final:
            left.discard(number)
            if not left:
                ended.set()
        return True

    instance.execute(batch, send)
    if not ended.wait(STREAM_LIMIT_S):
        raise LoadFailed(f"not all answers came within {STREAM_LIMIT_S:g} s")
    return results
