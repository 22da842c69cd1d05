"""The seams between the floors, as protocols; implementations do not inherit from them.

Read these first, then the smallest implementation of each: `backends/identity.py`, `repository/local.py`,
`tasks/text/embedding.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from naiad.core.encoding.encoder import EncoderItem, EncoderResult, ImagePixels, TextTokens
from naiad.core.encoding.files import EncoderFiles, EncoderPair
from naiad.core.encoding.ports import Ports
from naiad.core.errors import LoadFailed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.model.host import ModelHost
from naiad.core.user_code.endpoint import Endpoint

Item = TypeVar("Item")
"""What an instance takes: InferRequest for tensor models, EncoderItem for encoders."""

Item_co = TypeVar("Item_co", covariant=True)
"""The same, of who makes items."""

Result_co = TypeVar("Result_co", covariant=True)
"""What it gives for each item: InferResponse, or EncoderResult."""


@dataclass(slots=True)
class Batch(Generic[Item]):
    """Items that run together, and the stamps that the instance leaves for the statistics."""

    items: Sequence[Item]
    input_ready_s: float = 0.0
    """By the instance: inputs are gathered, the model is about to run."""
    output_ready_s: float = 0.0
    """By the instance: the model has run, outputs are about to be split."""
    failure: NaiadError | None = None
    """By the instance, or who runs it: it failed as a whole, whatever was in the batch. Sequences end then."""
    on_withdraw: Callable[[int], object] | None = None
    """By an instance that can end an item early: called on the loop's thread when nobody waits for it any more."""

    def withdrawn_items(self) -> Sequence[int]:
        """Items that nobody waits for any more; an instance that sets `on_withdraw` looks at these then."""
        return ()


class Instance(Protocol[Item, Result_co]):
    """One loaded copy of a model."""

    def execute(self, batch: Batch[Item]) -> Sequence[Result_co | NaiadError]:
        """Run a batch; one result for each item, in order; called by one thread at a time.

        An error that concerns one item is returned in its place. After an exception each item is run again, alone, so
        that it reaches only the item that causes it.
        """
        ...

    def close(self) -> None:
        """Release what the instance holds; called once, after the last execute."""
        ...


Send = Callable[[int, Any, bool], bool]
"""Tells of one result: which item of the batch, the result or NaiadError, whether it is that item's last.

With the last, None in place of a result: there are no more. Returns whether anybody still waits for the item; once its
request was withdrawn nobody does, and an instance may end it early."""


class StreamingInstance(Protocol[Item]):
    """One loaded copy of a model that gives any number of results for an item, none included, over time."""

    capacity: int
    """Batches that may run at the same time; at least 1."""

    def execute(self, batch: Batch[Item], send: Send) -> None:
        """Run a batch; called by up to `capacity` threads at a time.

        `send` may be called from any thread, also after this has returned, and must be called with `is_final` once for
        every item; items need no order. After an exception every item that has not had its last result gets that error.
        """
        ...

    def close(self) -> None:
        """Release what the instance holds; called once, after the last result."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """What an instance may be besides: one whose runs can be ended early, so that nobody need wait for them."""

    def interrupt(self) -> None:
        """End the run that is under way, and those that still come; from any thread. `close` follows."""
        ...


@runtime_checkable
class MayBeAway(Protocol):
    """What an instance may be besides: one whose worker may have ended, until another one is started."""

    def is_up(self) -> bool:
        """Whether it can run a batch now; from any thread, never blocks."""
        ...


@runtime_checkable
class Posts(Protocol):
    """What an instance may be besides: one that runs elsewhere, so that no thread need wait for a batch."""

    def post(self, batch: Batch[Any], done: Callable[[Sequence[Any]], None]) -> bool:
        """Begin to run a batch, without blocking; on the event loop's thread, while no other is under way.

        `done` is called there, later, with what `execute` would return. False: this batch must be executed.
        """
        ...


@runtime_checkable
class PacesItself(Protocol):
    """What a streaming instance may be besides: one that looks at its requests' `flow` itself.

    Others are held back in `send`, which does not return before the answer has been taken up.
    """

    paces_itself: bool


@runtime_checkable
class FreesItself(Protocol):
    """What a streaming instance may be besides: one that may take its next batch as soon as `execute` has returned."""

    is_free_when_returned: bool
    """Answers that still come then count as no batch of its `capacity`."""


class Samples(Protocol[Item_co]):
    """Makes up items that suit a model, so that its runs can be measured before there are any requests."""

    def size_near(self, tokens: int) -> int:
        """The size in tokens of an item that can be, nearest to the one wished for."""
        ...

    def make(self, sizes: Sequence[int]) -> Sequence[Item_co]:
        """Make one item of each size; sizes are of `size_near`."""
        ...


@dataclass(frozen=True, slots=True)
class Instances(Generic[Item]):
    """The loaded copies of one model version, as a scheduler takes them; they may share one copy of the weights."""

    narrow: tuple[Instance[Item, Any] | StreamingInstance[Item], ...]
    """At least one; they run side by side under load, each with few threads."""
    wide: Instance[Item, Any] | None = None
    """All cores on one batch, for a request that has the machine to itself; None: the runtime has no such form."""
    may_inline: bool = False
    """A run neither blocks nor runs foreign Python, so that a short one may stay on the event loop."""
    device: str = "cpu"
    """What they compute on, as metrics and logs call it."""
    names: tuple[str, ...] = ()
    """Names of the narrow ones for threads and logs, as in Triton: `<group>_<i>`."""
    samples: Samples[Item] | None = None
    """Items to measure runs with; None: runs are not measured."""
    is_ready: Callable[[], bool] | None = None
    """Whether any of them can run a batch now; never blocks. None: they always can."""
    restarts: Callable[[], int] | None = None
    """How often a worker process of theirs has been started again; None: they have none."""
    notes: Path | None = None
    """Folder for what is found out about them, gone with the model, the processor or the runtime's version."""

    @property
    def all(self) -> tuple[Instance[Item, Any] | StreamingInstance[Item], ...]:
        """The narrow ones, then the wide one if there is one."""
        return self.narrow if self.wide is None else (*self.narrow, self.wide)

    def close(self) -> None:
        """Close all of them."""
        for instance in self.all:
            instance.close()


@dataclass(frozen=True, slots=True)
class TensorFiles:
    """One version in a Triton model folder."""

    config: ModelConfig
    version: str
    model_dir: Path
    """Folder of the model (config.pbtxt, labels)."""
    version_dir: Path
    """Folder of the version (model.onnx …)."""
    endpoint: Endpoint | None = None
    """Code of an endpoint's that is to run in the place of a model.py."""


Heard = Callable[[str, Mapping[str, Any]], object]
"""Takes what an endpoint's worker tells: `ran` or `collected`, and its figures. Called on threads of the backend's."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What a backend needs to load the instances of one version."""

    model: TensorFiles | EncoderFiles | EncoderPair
    names: tuple[str, ...]
    """Names of the narrow instances, one each: `<group>_<i>`, as in Triton's logs."""
    threads: int = 1
    """Threads that one run of a narrow instance may use; 0 = all cores."""
    wide_threads: int = 0
    """Threads of the wide instance; 0: all cores, 1: none is wanted. Whether there is one is the backend's decision."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """`--backend-config` for this backend."""
    hang_timeout_s: float = 0.0
    """Code of the model's own that runs longer is ended; 0 = it may run for as long as it likes."""
    host: ModelHost | None = None
    """The server, for code of the model's own; None: there is nothing to ask."""
    heard: Heard | None = None
    """Takes what the workers of an endpoint tell of its requests."""

    @property
    def tensors(self) -> TensorFiles:
        """The model, for a backend that runs nothing but tensor models. Raises LoadFailed where it is an encoder."""
        if isinstance(self.model, TensorFiles):
            return self.model
        raise LoadFailed(f"'{', '.join(self.names)}' is an encoder; this backend runs no encoders, but tensor models")


class Backend(Protocol):
    """A runtime."""

    name: str
    """As in config.pbtxt's `backend`."""

    def complete(self, config: dict[str, Any], version_dir: Path, settings: Mapping[str, str]) -> dict[str, Any]:
        """Fill in what the config document leaves open (inputs, outputs, batching) from the model file.

        Never overrides what is there. Raises LoadFailed where file and document cannot agree.
        """
        ...

    def inspect(self, request: LoadRequest) -> Ports:
        """Look at the graph of a model that is not described yet; `load` may take it that the graph has been tried.

        Raises LoadFailed; blocks, as `load` does.
        """
        ...

    def load(self, request: LoadRequest) -> Instances[Any]:
        """Load the instances of one version. Raises LoadFailed; blocks, so it is called off the event loop."""
        ...


@runtime_checkable
class RunsOnGpus(Protocol):
    """What a backend may be besides: one whose instances may be of KIND_GPU. Those of others run on the CPU."""

    @property
    def has_gpus(self) -> bool:
        """Whether its runtime is built for GPUs; whether there is one shows when a model is loaded."""
        ...


@dataclass(slots=True)
class Preparation:
    """What a task made of a request: the items to run, and what it must remember until they have run."""

    texts: list[TextTokens] = field(default_factory=list)
    state: Any = None
    truncated: int = 0
    """How many texts were cut to the model's maximum length."""
    images: list[ImagePixels] = field(default_factory=list)

    @property
    def items(self) -> Sequence[EncoderItem]:
        """All that is to run: the texts, then the images."""
        return [*self.texts, *self.images] if self.images else self.texts


class Task(Protocol):
    """What a Hugging Face model is for: strings and numbers in, strings and numbers out."""

    name: str
    """The Hub's pipeline tag: feature-extraction, text-classification …"""
    inputs: tuple[TensorConfig, ...]
    outputs: tuple[TensorConfig, ...]

    def prepare(self, request: InferRequest) -> Preparation:
        """Tokenise. Raises InvalidRequest. Thread-safe; may be called on the event loop or off it."""
        ...

    def finish(
        self, request: InferRequest, preparation: Preparation, results: Sequence[EncoderResult]
    ) -> InferResponse:
        """Decode; results are in the order of `preparation.items`. Thread-safe."""
        ...


class TextTask(Task, Protocol):
    """A task that makes texts of tokens."""

    max_tokens: int
    """Longest text that its encoder is given, special tokens included."""
