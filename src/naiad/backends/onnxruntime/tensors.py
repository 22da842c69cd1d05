"""Plain ONNX models: tensors in, tensors out, several requests in one run.

Here is the running of batches, the hottest path of the server. What is opened once and shared by instances is in
`loaded`, how a tensor is converted in `ports`, what a graph declares in `signature`, what config.pbtxt may ask of a
session in `options`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from naiad.backends.onnxruntime.loaded import LoadedModel, RunGraph
from naiad.backends.onnxruntime.ragged import make_batch_input, scatter
from naiad.core.clock import monotonic
from naiad.core.contracts import Batch
from naiad.core.errors import InvalidRequest, ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array, Tensor

Result = InferResponse | NaiadError


def _closed(*_: object) -> Sequence[Any]:
    raise ModelFailed("this instance is closed")


class OnnxRuntimeInstance:
    """Runs batches; any number of instances may run one model's session at the same time."""

    def __init__(self, model: LoadedModel) -> None:
        self._model: LoadedModel | None = model
        self._run: RunGraph = model.run
        self._run_options = model.run_options
        self._name = model.name
        self._version = model.version
        self._batches = model.batches
        self._inputs = model.inputs
        self._input_names = tuple(port.name for port in model.inputs)
        self._ports = model.outputs
        self._output_names = list(model.outputs)
        self._datatypes = {port.name: port.datatype for port in model.outputs.values()}
        self._batch_inputs = model.batch_inputs
        self._scattered = model.scattered
        self._has_plain_inputs = all(port.is_plain for port in model.inputs) and not model.batch_inputs
        self._has_plain_outputs = all(port.is_plain for port in model.outputs.values())

    def execute(self, batch: Batch[InferRequest]) -> Sequence[Result]:
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

    def _execute_alone(self, request: InferRequest, batch: Batch[InferRequest]) -> Result:
        """Run one request by itself; loops stand where calls would, as nearly every small request comes this way."""
        try:
            feeds = self._gather_one(request) if self._has_plain_inputs else self._gather((request,))
            names = [output.name for output in request.outputs] if request.outputs else self._output_names
            values = self._compute(names, feeds, batch)
            if self._batches:
                self._check_rows(names, values, len(next(iter(request.inputs.values())).data))
            if self._scattered:
                values = [self._cut(name, value, (request,))[0] for name, value in zip(names, values, strict=True)]
        except NaiadError as error:
            return error
        except KeyError as error:
            return InvalidRequest(f"model '{self._name}': input {error} is missing")
        tensors, datatypes = [], self._datatypes
        for name, value in zip(names, values, strict=True):
            tensors.append(Tensor(name, datatypes[name], value))
        return InferResponse(self._name, self._version, tensors, request.id)

    def _execute_joined(self, items: Sequence[InferRequest], batch: Batch[InferRequest]) -> Sequence[InferResponse]:
        feeds = self._gather_plain(items) if self._has_plain_inputs else self._gather(items)
        names = self._output_names
        is_uniform = True
        outputs = items[0].outputs
        if outputs and all(request.outputs is outputs for request in items):  # one client's, decoded once
            names = [output.name for output in outputs]
        elif any(request.outputs for request in items):
            names, is_uniform = self._wanted(items), False
        values = self._compute(names, feeds, batch)
        rows = self._count_rows(items)
        self._check_rows(names, values, sum(rows))
        return self._split(items, names, values, rows, is_uniform)

    def _compute(self, names: list[str], feeds: dict[str, Any], batch: Batch[InferRequest]) -> Sequence[Any]:
        batch.input_ready_s = batch.input_ready_s or monotonic()
        try:
            values = self._run(names, feeds, self._run_options)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelFailed(f"model '{self._name}' failed: {error}", model=self._name) from error
        batch.output_ready_s = monotonic()
        if self._has_plain_outputs:
            return values
        return [self._ports[name].convert(value) for name, value in zip(names, values, strict=True)]

    def _gather_one(self, request: InferRequest) -> dict[str, Any]:
        feeds, inputs = {}, request.inputs
        for name in self._input_names:
            data = inputs[name].data
            feeds[name] = data if data.flags.aligned else data.copy()  # a body's bytes may begin anywhere
        return feeds

    def _gather_plain(self, items: Sequence[InferRequest]) -> dict[str, Any]:
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
        for wanted in self._batch_inputs:
            made = make_batch_input(wanted, [item.inputs[wanted.source].shape for item in items])
            feeds.update(dict.fromkeys(wanted.names, made))
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
        return [len(next(iter(item.inputs.values())).data) for item in items]

    def _check_rows(self, names: Sequence[str], values: Sequence[Any], rows: int) -> None:
        for name, value in zip(names, values, strict=True):
            if value.shape[0] != rows and name not in self._scattered:
                raise ModelFailed(
                    f"model '{self._name}': output '{name}' has {value.shape[0]} rows for a batch of {rows}; "
                    "its first dimension must be the batch, or max_batch_size must be 0",
                    model=self._name,
                )

    def _split(
        self, items: Sequence[InferRequest], names: list[str], values: Sequence[Any], rows: list[int], is_uniform: bool
    ) -> list[InferResponse]:
        if self._scattered:
            pieces = [self._cut(name, value, items) for name, value in zip(names, values, strict=True)]
        elif rows.count(1) == len(rows):
            pieces = [value[:, None] for value in values]  # iterating over it gives views of one row each
        else:
            bounds = list(pairwise(accumulate(rows, initial=0)))
            pieces = [[value[start:stop] for start, stop in bounds] for value in values]
        if not is_uniform:
            return [self._answer(item, names, parts) for item, *parts in zip(items, *pieces, strict=True)]
        model, version = self._name, self._version
        columns = []
        for name, parts in zip(names, pieces, strict=True):
            datatype = self._datatypes[name]
            columns.append([Tensor(name, datatype, part) for part in parts])
        return [
            InferResponse(model, version, list(tensors), item.id)
            for item, tensors in zip(items, zip(*columns, strict=True), strict=True)
        ]

    def _cut(self, name: str, value: Array, items: Sequence[InferRequest]) -> list[Array]:
        """Give each request its part of an output, of a model that gives some of them flat."""
        source = self._scattered.get(name)
        if source is not None:
            return scatter(name, value, self._ports[name].dims, [item.inputs[source].shape for item in items])
        return [value[start:stop] for start, stop in pairwise(accumulate(self._count_rows(items), initial=0))]

    def _answer(self, request: InferRequest, names: list[str], values: Sequence[Any]) -> InferResponse:
        if request.outputs:
            by_name = dict(zip(names, values, strict=True))
            names = [output.name for output in request.outputs]
            values = [by_name[name] for name in names]
        datatypes = self._datatypes
        tensors = [Tensor(name, datatypes[name], value) for name, value in zip(names, values, strict=True)]
        return InferResponse(self._name, self._version, tensors, request.id)
