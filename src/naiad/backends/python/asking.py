"""What a worker asks of the server or tells it, besides requests: other models' life, and metrics of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from naiad.backends.python.process import WorkerProcess
from naiad.backends.python.worker import wire
from naiad.core.contracts import Heard
from naiad.core.errors import NaiadError, NotReady
from naiad.core.model.host import CustomMetric, ModelHost

KINDS = ("counter", "gauge", "histogram")
"""By the numbers of MetricFamily."""


class Asking:
    """The questions of one instance's workers; on their listening threads."""

    def __init__(self, host: ModelHost | None, heard: Heard | None = None) -> None:
        """heard: takes what workers of endpoints tell of each request."""
        self._host = host
        self._heard = heard
        self._families: dict[tuple[int, int], str] = {}
        self._metrics: dict[tuple[int, int], CustomMetric] = {}
        self._do: dict[str, Callable[[WorkerProcess, ModelHost, dict[str, Any]], Any]] = {
            "load": _load,
            "unload": _unload,
            "is_ready": _is_ready,
            "describe": _describe,
            "ran": partial(self._hear, "ran"),
            "collected": partial(self._hear, "collected"),
            "family": self._family,
            "metric": self._metric,
            "drop_metric": self._drop,
            "value": lambda worker, _, given: self._metrics[worker.pid, given["metric"]].value,
            "increment": lambda *question: self._change("increment", *question),
            "set": lambda *question: self._change("set", *question),
            "observe": lambda *question: self._change("observe", *question),
        }

    def take(self, worker: WorkerProcess, message: wire.Message) -> None:
        """Answer a question, as soon as there is an answer. Raises Garbled for one that makes no sense."""
        try:
            number, do, given = message.header["c"], self._do[message.header["what"]], message.header["with"]
            if self._host is None:
                raise NotReady("there is no server that could be asked")
            answer = do(worker, self._host, given)
        except NaiadError as error:
            _reply(worker, message.header["c"], None, error)
        except (KeyError, TypeError, ValueError) as error:
            raise wire.Garbled(f"a question makes no sense: {error}") from error
        else:
            if isinstance(answer, Future):
                answer.add_done_callback(lambda done: _reply(worker, number, *_outcome(done)))
            else:
                _reply(worker, number, answer, None)

    def gone(self, worker: WorkerProcess) -> None:
        """Let go of the metrics of a worker that has ended."""
        for key in [key for key in self._metrics if key[0] == worker.pid]:
            self._metrics.pop(key).close()
        for key in [key for key in self._families if key[0] == worker.pid]:
            del self._families[key]

    def _hear(self, what: str, _: WorkerProcess, __: ModelHost, given: dict[str, Any]) -> None:
        if self._heard is not None:
            self._heard(what, given)

    def _family(self, worker: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> None:
        host.metrics.declare(str(given["name"]), str(given["text"]), KINDS[given["kind"]])
        self._families[worker.pid, given["family"]] = given["name"]

    def _metric(self, worker: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> None:
        name = self._families[worker.pid, given["family"]]
        self._metrics[worker.pid, given["metric"]] = host.metrics.open(name, given["labels"], given["buckets"])

    def _drop(self, worker: WorkerProcess, _: ModelHost, given: dict[str, Any]) -> None:
        self._metrics.pop((worker.pid, given["metric"])).close()

    def _change(self, how: str, worker: WorkerProcess, _: ModelHost, given: dict[str, Any]) -> None:
        getattr(self._metrics[worker.pid, given["metric"]], how)(float(given["value"]))


def _load(_: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> Future[None]:
    return host.load(str(given["name"]), given["config"], dict(given["files"]))


def _unload(_: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> Future[None]:
    return host.unload(str(given["name"]), dependents=bool(given["dependents"]))


def _is_ready(_: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> Future[bool]:
    return host.is_ready(str(given["name"]), str(given["version"]))


def _describe(_: WorkerProcess, host: ModelHost, given: dict[str, Any]) -> Future[dict[str, Any]]:
    return host.describe(str(given["name"]), str(given["version"]))


def _outcome(done: Future[Any]) -> tuple[Any, BaseException | None]:
    error = done.exception()
    return (None, error) if error is not None else (done.result(), None)


def _reply(worker: WorkerProcess, number: int, value: Any, error: BaseException | None) -> None:
    if not number:
        return  # it does not wait for one
    text = None if error is None else getattr(error, "message", "") or "the server is stopping"
    worker.write(wire.REPLY, lambda _: {"c": number, "is": value, "e": text})
