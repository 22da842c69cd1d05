"""A live server whose models run when the test says so, asked through Triton's own clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Semaphore
from typing import Any, TypeVar

import numpy as np
import pytest

from naiad.backends.identity import IdentityInstance
from naiad.core.contracts import Batch
from naiad.core.message import InferRequest
from naiad.testing import RunningServer, running_server

http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
utils = pytest.importorskip("tritonclient.utils", reason="tritonclient is not installed (requirements/dev.txt)")

Value = TypeVar("Value")

PATIENCE_S = 30.0
DOORS = ("http", "grpc")
CONFIG = """
backend: "identity"
max_batch_size: {most}
input  {{ name: "x" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "y" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: {instances} kind: KIND_CPU }}
{more}
"""


class Gate:
    """Holds the runs of all models; notes them by the ids of their requests."""

    def __init__(self) -> None:
        self._open = Event()
        self._release: dict[str, Event] = {}
        self.began = Semaphore(0)
        self.batches: list[list[str]] = []

    def pass_through(self, batch: Batch[InferRequest]) -> None:
        ids = [request.id for request in batch.items]
        self.batches.append(ids)
        self.began.release()
        alone = self._release.get(ids[0])
        assert (alone or self._open).wait(PATIENCE_S)

    def hold(self, first: str) -> Event:
        """Give what lets the batch go whose first request has this id, and no other."""
        return self._release.setdefault(first, Event())

    def open(self) -> None:
        """Let all others run, now and from now on."""
        self._open.set()

    def until_began(self, batches: int = 1) -> None:
        for _ in range(batches):
            assert self.began.acquire(timeout=PATIENCE_S)


class House:
    """The server, its gate, and clients."""

    def __init__(self, running: RunningServer, gate: Gate, pool: ThreadPoolExecutor) -> None:
        self.running, self.gate, self._pool = running, gate, pool

    def ask(self, door: str, model: str, name: str, *, rows: int = 1, **options: Any) -> Future[Any]:
        """Send a request; gives its rows, or what the client raised."""
        return self._pool.submit(ask, self.running, door, model, name, rows, options)

    def queue(self, door: str, model: str, names: str, **options: Any) -> list[Future[Any]]:
        """Send requests, each when the one before it waits."""
        before, asked = self.pending(model), []
        for count, name in enumerate(names, before + 1):
            asked.append(self.ask(door, model, name, **options))
            self.until(lambda count=count: self.pending(model) >= count)  # type: ignore[misc]  # no lambda has types
        return asked

    def keep_busy(self, door: str, model: str, instances: int = 1) -> list[Future[Any]]:
        """Requests that hold the instances."""
        asked = []
        for number in range(instances):
            asked.append(self.ask(door, model, f"busy{number or ''}"))
            self.gate.until_began()
        return asked

    def pending(self, model: str) -> int:
        return self.look(model, lambda served: served.statistics.count_pending())

    def look(self, model: str, see: Callable[[Any], Value]) -> Value:
        """Look at a model on the loop's thread."""

        async def seen() -> Value:
            return see(self.running.server.engine.route(model))

        return self.running.run(seen)

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s


def ask(running: RunningServer, door: str, model: str, name: str, rows: int, options: dict[str, Any]) -> Any:
    """options: those of the client's `infer`, and `patience_s`, after which the client goes."""
    patience_s, limits = options.pop("patience_s", None), {}
    if patience_s is not None and door == "http":
        limits["network_timeout"] = patience_s
    elif patience_s is not None:
        options["client_timeout"] = patience_s
    module, address = (http, running.address) if door == "http" else (grpc, running.grpc_address)
    tensor = module.InferInput("x", [rows, 1], "INT32")
    tensor.set_data_from_numpy(np.arange(rows, dtype=np.int32)[:, None])
    with module.InferenceServerClient(address, **limits) as client:
        return client.infer(model, [tensor], request_id=name, **options).as_numpy("y").ravel().tolist()


@contextmanager
def house(
    folder: Path, models: dict[str, str], *, most: int = 4, instances: int = 1, **settings: Any
) -> Iterator[House]:
    """models: by name, what its configuration says besides."""
    for name, more in models.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(CONFIG.format(most=most, instances=instances, more=more))
    gate = Gate()
    execute = IdentityInstance.execute

    def held(self: IdentityInstance, batch: Batch[InferRequest]) -> Any:
        gate.pass_through(batch)
        return execute(self, batch)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(32) as pool:
        patch.setattr(IdentityInstance, "execute", held)
        with running_server(str(folder), **settings) as running:
            try:
                yield House(running, gate, pool)
            finally:
                gate.open()
                for event in gate._release.values():
                    event.set()


def error_of(asked: Future[Any]) -> tuple[str, str]:
    """Status and message of a request that failed."""
    error = asked.exception(PATIENCE_S)
    assert isinstance(error, utils.InferenceServerException)
    return error.status(), error.message()
