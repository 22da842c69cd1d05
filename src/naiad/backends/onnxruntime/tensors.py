"""Plain ONNX models: tensors in, tensors out, several requests in one run.

`OnnxRuntimeBackend` opens models; its instances share one session, so that the weights lie in memory once however many
instances a model has: a run of a one-thread session stays on its caller's thread. How a tensor is converted is in
`ports`, what a graph declares in `signature`, what config.pbtxt may ask of a session in `options`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from naiad.backends.onnxruntime.options import SessionSettings
from naiad.backends.onnxruntime.ports import InputPort, OutputPort, aligned, read_value
from naiad.backends.onnxruntime.session import open_session, runtime
from naiad.backends.onnxruntime.signature import check, complete_document, read_signature
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch, LoadRequest
from naiad.core.errors import InvalidRequest, LoadFailed, ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model_config import ModelConfig
from naiad.core.tensor import Tensor

Run = Callable[[Sequence[str], Mapping[str, Any], Any], Sequence[Any]]
Answer = InferResponse | NaiadError


class OnnxRuntimeBackend:
    """Opens `model.onnx`."""

    name = "onnxruntime"

    def __init__(self) -> None:
        self._lock = Lock()
        self._models: WeakValueDictionary[object, LoadedModel] = WeakValueDictionary()

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:
        """Fill in inputs, outputs and batching from the graph. Raises LoadFailed.

        Opens the model only if inputs or outputs are missing, and then without optimising it.
        """
        if config.get("input") and config.get("output"):
            return dict(config)
        path = model_path(version_dir, config.get("default_model_filename") or "model.onnx")
        session = open_session(path, configure=_without_optimisation)
        return complete_document(config, read_signature(session), settings)

    def load(self, request: LoadRequest) -> OnnxRuntimeInstance:
        """Load one instance; those of the same files and options share a session. Raises LoadFailed."""
        path = model_path(request.version_dir, request.config.default_model_filename or "model.onnx")
        settings = SessionSettings.of(request)
        key = (_stamp(path), settings, request.version, repr(request.config))
        with self._lock:
            model = self._models.get(key)
            if model is None:
                model = self._models[key] = LoadedModel(request, path, settings)
        return OnnxRuntimeInstance(model)


def model_path(version_dir: Path, filename: str) -> Path:
    """The file to open: `filename`, or `model.onnx` in a folder of that name. Raises LoadFailed."""
    given = PurePosixPath(filename)
    if given.is_absolute() or ".." in given.parts:
        raise LoadFailed(f"default_model_filename '{filename}' must be a path inside {version_dir}")
    path = version_dir / given
    if path.is_dir():
        path = path / "model.onnx"
    if not path.is_file():
        raise LoadFailed(f"{path}: there is no such file; the onnxruntime backend needs it", path=str(path))
    return path


def _stamp(path: Path) -> tuple[object, ...]:
    """What changes when the model or the external data beside it changes."""
    with os.scandir(path.parent) as entries:
        files = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    return (str(path), *sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in files))


def _closed(*_: object) -> Sequence[Any]:
    raise ModelFailed("this instance is closed")


def _without_optimisation(options: Any) -> None:
    options.graph_optimization_level = runtime().GraphOptimizationLevel.ORT_DISABLE_ALL


class LoadedModel:
    """A session and everything about its tensors that can be worked out before the first request."""

    def __init__(self, request: LoadRequest, path: Path, settings: SessionSettings) -> None:
        config = request.config
        self.session = open_session(
            path, threads=settings.threads, entries=dict(settings.entries), configure=settings.configure
        )
        check(config, read_signature(self.session))
        self.name = config.name
        self.version = request.version
        self.batches = config.max_batch_size > 0
        batch_dims = 1 if self.batches else 0
        self.inputs = tuple(InputPort(tensor, batch_dims) for tensor in config.inputs)
        self.outputs = {tensor.name: OutputPort(tensor, batch_dims) for tensor in config.outputs}
        self.run_options = settings.run_options()
        self.run = self._choose_run(config)

    def _choose_run(self, config: ModelConfig) -> Run:
        if any(tensor.datatype == "BF16" for tensor in config.outputs):
            if any(tensor.datatype == "BYTES" for tensor in config.inputs):
                raise LoadFailed(
                    f"model '{config.name}': string inputs together with BF16 outputs cannot go through ONNX Runtime's "
                    "Python binding; let the graph cast the outputs to FP32",
                    model=config.name,
                )
            return self._run_with_values
        # session.run checks names that were checked at load; the call underneath takes the same arguments and saves
        # 0.8 of 4.6 µs on a small graph. It is not public, hence the second choice.
        inner = getattr(self.session, "_sess", None)
        run: Run = getattr(inner, "run", self.session.run)
        return run

    def _run_with_values(self, names: Sequence[str], feeds: Mapping[str, Any], options: Any) -> Sequence[Any]:
        """The way for outputs that numpy has no type for."""
        ort_value = runtime().OrtValue
        values = {
            name: feed if isinstance(feed, ort_value) else ort_value.ortvalue_from_numpy(np.ascontiguousarray(feed))
            for name, feed in feeds.items()
        }
        return [read_value(value) for value in self.session.run_with_ort_values(list(names), values, options)]


class OnnxRuntimeInstance:
    """Runs batches; any number of instances may run one model's session at the same time."""

    def __init__(self, model: LoadedModel) -> None:
        self._run = model.run
        self._run_options = model.run_options
        self._name = model.name
        self._version = model.version
        self._batches = model.batches
        self._inputs = model.inputs
        self._input_names = tuple(port.name for port in model.inputs)
        self._ports = model.outputs
        self._output_names = list(model.outputs)
        self._datatypes = {port.name: port.datatype for port in model.outputs.values()}
        self._has_plain_inputs = all(port.is_plain for port in model.inputs)
        self._has_plain_outputs = all(port.is_plain for port in model.outputs.values())
        self._model: LoadedModel | None = model

    def execute(self, batch: Batch[InferRequest]) -> Sequence[Answer]:
        """Run requests whose names, datatypes and shapes fit the configuration.

        One run for all if the model batches, else one each. Where a common run fails, each request runs alone, so that
        an error reaches only the request that causes it.
        """
        items = batch.items
        if len(items) == 1:
            return (self._execute_alone(items[0], batch),)
        if self._batches:
            try:
                return self._execute_joined(items, batch)
            except (NaiadError, ValueError, KeyError):
                pass  # which of them it was shows below
        return [self._execute_alone(request, batch) for request in items]

    def close(self) -> None:
        """Let go of the session; the last of the instances that share it frees it."""
        self._model = None
        self._run = _closed

    def _execute_alone(self, request: InferRequest, batch: Batch[InferRequest]) -> Answer:
        try:
            return self._execute_joined((request,), batch)[0]
        except NaiadError as error:
            return error
        except KeyError as error:
            return InvalidRequest(f"model '{self._name}': input {error} is missing")

    def _execute_joined(self, items: Sequence[InferRequest], batch: Batch[InferRequest]) -> Sequence[InferResponse]:
        feeds = self._gather_plain(items) if self._has_plain_inputs else self._gather(items)
        names = self._output_names
        is_uniform = True
        for request in items:
            if request.outputs:
                names, is_uniform = self._wanted(items), False
                break
        batch.input_ready_s = batch.input_ready_s or monotonic()
        try:
            values = self._run(names, feeds, self._run_options)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"model '{self._name}' failed: {error}", model=self._name) from error
        batch.output_ready_s = monotonic()
        if not self._has_plain_outputs:
            values = [self._ports[name].convert(value) for name, value in zip(names, values, strict=True)]
        if self._batches:
            rows = self._count_rows(items)
            self._check_rows(names, values, sum(rows))
            if len(items) > 1:
                return self._split(items, names, values, rows, is_uniform)
        return [self._answer(items[0], names, values)]

    def _gather_plain(self, items: Sequence[InferRequest]) -> dict[str, Any]:
        if len(items) == 1:
            inputs = items[0].inputs
            return {name: aligned(inputs[name].data) for name in self._input_names}
        return {name: np.concatenate([item.inputs[name].data for item in items]) for name in self._input_names}

    def _gather(self, items: Sequence[InferRequest]) -> dict[str, Any]:
        feeds = {}
        for port in self._inputs:
            name = port.name
            arrays = [item.inputs[name].data for item in items if name in item.inputs]
            if len(arrays) == len(items):
                feeds[name] = port.gather(arrays)
            elif arrays or not port.is_optional:
                raise KeyError(name)
        return feeds

    def _wanted(self, items: Sequence[InferRequest]) -> list[str]:
        """Outputs that any of the requests wants, in the order of the configuration."""
        names: set[str] = set()
        for request in items:
            if not request.outputs:
                return self._output_names
            names.update(output.name for output in request.outputs)
        return [name for name in self._output_names if name in names]

    def _count_rows(self, items: Sequence[InferRequest]) -> list[int]:
        if self._has_plain_inputs:
            name = self._input_names[0]
            return [len(item.inputs[name].data) for item in items]
        return [len(next(iter(item.inputs.values())).data) for item in items]

    def _check_rows(self, names: Sequence[str], values: Sequence[Any], rows: int) -> None:
        for name, value in zip(names, values, strict=True):
            if value.shape[0] != rows:
                raise ModelFailed(
                    f"model '{self._name}': output '{name}' has {value.shape[0]} rows for a batch of {rows}; "
                    "its first dimension must be the batch, or max_batch_size must be 0",
                    model=self._name,
                )

    def _split(
        self, items: Sequence[InferRequest], names: list[str], values: Sequence[Any], rows: list[int], is_uniform: bool
    ) -> list[InferResponse]:
        bounds = list(pairwise(accumulate(rows, initial=0)))
        if not is_uniform:
            return [
                self._answer(item, names, [value[start:stop] for value in values])
                for item, (start, stop) in zip(items, bounds, strict=True)
            ]
        model, version = self._name, self._version
        columns = []
        for name, value in zip(names, values, strict=True):
            datatype = self._datatypes[name]
            columns.append([Tensor(name, datatype, value[start:stop]) for start, stop in bounds])
        return [
            InferResponse(model, version, list(tensors), item.id)
            for item, tensors in zip(items, zip(*columns, strict=True), strict=True)
        ]

    def _answer(self, request: InferRequest, names: list[str], values: Sequence[Any]) -> InferResponse:
        if request.outputs:
            by_name = dict(zip(names, values, strict=True))
            names = [output.name for output in request.outputs]
            values = [by_name[name] for name in names]
        datatypes = self._datatypes
        tensors = [Tensor(name, datatypes[name], value) for name, value in zip(names, values, strict=True)]
        return InferResponse(self._name, self._version, tensors, request.id)
