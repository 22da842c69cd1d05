"""An engine in process, and instances that answer as a test says: for tests of schedulers, backends, doors and clients.

instance = naiad.testing.FakeInstance(lambda request: InferResponse("echo", "1", list(request.inputs.values())))
engine = naiad.testing.engine(config_text, instance)
response = await engine.infer(InferRequest("echo", inputs=...))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.contracts import Batch, Instance, Instances, Send, StreamingInstance
from naiad.core.model.config import ModelConfig
from naiad.modelconfig import finish, parse_pbtxt, prepare
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.tensor_model import TensorModel


class FakeInstance:
    """An `Instance` that answers by a function, remembers what it ran, and runs nothing while it is held."""

    def __init__(self, answer: Callable[[Any], Any] = lambda item: item, *, is_held: bool = False) -> None:
        """answer: gives the result for one item; what it raises fails the batch. Without one, items come back."""
        self.answer = answer
        self.batches: list[list[Any]] = []
        """The items of each batch, in the order in which batches ran."""
        self.threads: set[int] = set()
        """Identifiers of the threads that batches ran in."""
        self.started = threading.Semaphore(0)
        """Released when a batch comes, held or not."""
        self.is_closed = False
        self._gate = threading.Event()
        if not is_held:
            self._gate.set()

    def hold(self) -> None:
        """Keep the next batches until `release`."""
        self._gate.clear()

    def release(self) -> None:
        """Let batches run, those that wait first."""
        self._gate.set()

    def execute(self, batch: Batch[Any]) -> Sequence[Any]:
        """See `Instance.execute`."""
        items = self._begin(batch)
        batch.input_ready_s = monotonic()
        results = [self.answer(item) for item in items]
        batch.output_ready_s = monotonic()
        return results

    def close(self) -> None:
        """See `Instance.close`."""
        self.is_closed = True

    def _begin(self, batch: Batch[Any]) -> list[Any]:
        self.started.release()
        self._gate.wait()
        self.threads.add(threading.get_ident())
        self.batches.append(list(batch.items))
        return self.batches[-1]


class FakeStream(FakeInstance):
    """A `StreamingInstance`: its function gives any number of results for an item, and may take its time over each."""

    def __init__(self, answer: Callable[[Any], Iterable[Any]], *, capacity: int = 1, is_held: bool = False) -> None:
        """capacity: batches that may run at the same time. Otherwise as a FakeInstance."""
        super().__init__(answer, is_held=is_held)
        self.capacity = capacity
        self.withdrawn: list[Any] = []
        """Items that nobody wanted any more results of."""

    def execute(self, batch: Batch[Any], send: Send) -> None:  # type: ignore[override]  # the other contract
        """See `StreamingInstance.execute`."""
        for index, item in enumerate(self._begin(batch)):
            for result in self.answer(item):
                if not send(index, result, False):
                    self.withdrawn.append(item)
                    break
            send(index, None, True)


def engine(
    config: ModelConfig | str,
    *instances: Instance[Any, Any] | StreamingInstance[Any],
    version: str = "1",
    clock: Clock = monotonic,
    **options: Any,
) -> Engine:
    """Make an engine with one model, which `route` gives by its name; without doors, on the running event loop.

    config: the text of a config.pbtxt with `name`, or the value itself. options: those of `TensorModel`.
    """
    if isinstance(config, str):
        document = parse_pbtxt(config)
        document["backend"] = document.get("backend") or "fake"
        config = finish(prepare(document, document["name"]))
    catalog = Catalog()
    catalog.add(TensorModel(config, version, Instances(instances), clock=clock, **options))
    return Engine(catalog, clock)
