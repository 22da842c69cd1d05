"""The smallest backend: what comes in goes out. Read this one first; every other backend has the same parts.

`Backend.complete` fills in the configuration, `Backend.inspect` tells what a graph declares, `Backend.load` makes
instances, `Instance.execute` answers a batch; without a model file only the last two have something to do
(`graphless.py`). For trying out clients, schedulers and doors: `backend: "identity"` in config.pbtxt. Here is also the
smallest StreamingInstance, for configurations that say `model_transaction_policy { decoupled: true }`. Parameters that
make it slow are in `identity_delays.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from naiad.backends.graphless import Graphless
from naiad.backends.identity_delays import NO_DELAY, Delay, read_delays
from naiad.backends.reshape import Reshape
from naiad.core.contracts import Batch, Instances, LoadRequest, Send
from naiad.core.errors import InvalidRequest, LoadFailed, ModelFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig
from naiad.core.tensor import Array, Tensor

NO_RESHAPES: Mapping[str, Sequence[Reshape]] = {}


class IdentityBackend(Graphless):
    """Gives instances whose n-th output is the n-th input; more threads would not make them faster, so none is wide."""

    name = "identity"

    def load(self, request: LoadRequest) -> Instances[InferRequest]:
        """Raise LoadFailed unless inputs and outputs have the same datatypes, and delays are numbers of sane size."""
        config, version = request.tensors.config, request.tensors.version
        inputs, outputs = config.inputs, config.outputs
        if not inputs or [tensor.datatype for tensor in inputs] != [tensor.datatype for tensor in outputs]:
            raise LoadFailed(f"model '{config.name}': identity needs outputs with the datatypes of its inputs")
        names = {before.name: after.name for before, after in zip(inputs, outputs, strict=True)}
        delays = read_delays(config.name, config.parameters, len(request.names))
        time.sleep(delays.creation_s)
        reshapes = _reshapes(config)
        instances = tuple(IdentityInstance(names, version, Delay(one), reshapes) for one in delays.execution_s)
        if config.is_decoupled:
            rows = tuple(RowByRow(instance, batches=config.max_batch_size > 0) for instance in instances)
            return Instances(rows, names=request.names)
        return Instances(instances, may_inline=not any(delays.execution_s), names=request.names)


class IdentityInstance:
    """One copy of nothing."""

    def __init__(
        self,
        output_names: Mapping[str, str],
        version: str,
        delay: Delay = NO_DELAY,
        reshapes: Mapping[str, Sequence[Reshape]] = NO_RESHAPES,
    ) -> None:
        """output_names: by input's. reshapes: by output, what makes its shape of the input's."""
        self._output_names, self._version = output_names, version
        self._reshapes = reshapes
        self.delay = delay
        self.interrupt = delay.end

    def execute(self, batch: Batch[InferRequest]) -> list[InferResponse | NaiadError]:
        """Answer each request with its own arrays under the outputs' names."""
        self.delay.pass_in(batch)
        return [self.answer(request) for request in batch.items]

    def answer(self, request: InferRequest) -> InferResponse | NaiadError:
        """Answer one request."""
        made = {self._output_names[t.name]: t for t in request.inputs.values() if t.name in self._output_names}
        wanted = [output.name for output in request.outputs] or [
            name for name in self._output_names.values() if name in made
        ]
        if missing := [name for name in wanted if name not in made]:
            return InvalidRequest(f"model '{request.model_name}': no input for output '{missing[0]}'")
        try:
            tensors = [Tensor(name, made[name].datatype, self._shaped(name, made[name].data)) for name in wanted]
        except ModelFailed as error:
            return error
        return InferResponse(request.model_name, self._version, tensors, request.id)

    def close(self) -> None:
        """Nothing to release."""

    def _shaped(self, output: str, data: Array) -> Array:
        for reshape in self._reshapes.get(output, ()):
            data = reshape(data)
        return data


class RowByRow:
    """One copy of nothing that answers each request row by row; the last row is its last answer."""

    capacity = 1

    def __init__(self, identity: IdentityInstance, *, batches: bool) -> None:
        self._identity = identity
        self._batches = batches
        self.interrupt = identity.interrupt

    def execute(self, batch: Batch[InferRequest], send: Send) -> None:
        """Send the rows of one request after the other; a request of no rows has an empty last answer."""
        self._identity.delay.pass_in(batch)
        for number, request in enumerate(batch.items):
            answer = self._identity.answer(request)
            answers = [answer] if isinstance(answer, NaiadError) or not self._batches else list(_rows(answer))
            for answer in answers[:-1]:
                send(number, answer, False)
            send(number, answers[-1], True)

    def close(self) -> None:
        """Nothing to release."""


def _rows(answer: InferResponse) -> Iterator[InferResponse]:
    """One answer for each row; an empty one where there are none."""
    rows = max((len(tensor.data) for tensor in answer.outputs), default=0)
    for row in range(rows):
        tensors = [Tensor(tensor.name, tensor.datatype, tensor.data[row : row + 1]) for tensor in answer.outputs]
        yield InferResponse(answer.model_name, answer.model_version, tensors, answer.id)
    if not rows:
        yield InferResponse(answer.model_name, answer.model_version, [], answer.id, is_empty=True)


def _reshapes(config: ModelConfig) -> dict[str, tuple[Reshape, ...]]:
    """By output: from its input's dims to what a model would be given, and from there to its own dims."""
    batch_dims = 1 if config.max_batch_size > 0 else 0
    made: dict[str, tuple[Reshape, ...]] = {}
    for before, after in zip(config.inputs, config.outputs, strict=True):
        into = () if before.reshape is None else (Reshape(before.dims, before.reshape, batch_dims),)
        out = () if after.reshape is None else (Reshape(after.reshape, after.dims, batch_dims),)
        made[after.name] = (*into, *out)
    return made
