"""From a request to what the encoder runs: a task's first half, at once for light requests, in threads for heavy ones.

Heavy requests take turns: a task, or the tokenizer below it, calls `pause` after each share of the work.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Protocol

from naiad.core.contracts import Batch, Preparation, Task
from naiad.core.errors import Failed, NaiadError
from naiad.core.machine.turnstile import Turnstile
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.serving.response_sender import ResponseSender

_log = logging.getLogger("naiad.serving")

LIGHT_BYTES = 4096
"""Requests with less text than this are tokenised on the event loop (under 0.5 ms); heavier ones in a thread."""

TEXT_BYTES = 16
"""What a text weighs besides its bytes: an empty one takes time, too."""

IN_TURN = 4
"""Heavy requests that are prepared in turn; each holds what it has so far in memory, and further ones wait."""


class Asked(Protocol):
    """A request and who is to answer it."""

    @property
    def request(self) -> InferRequest:
        """What was asked."""
        ...

    @property
    def sender(self) -> ResponseSender:
        """Knows whether anybody still wants to know."""
        ...


class Preparing:
    """The task's first half as an instance, so that large requests are tokenised in threads, taking turns."""

    def __init__(self, task: Task, turnstile: Turnstile) -> None:
        self._task = task
        self._turnstile = turnstile

    def execute(self, batch: Batch[Asked]) -> list[Any]:
        """One Preparation or error per request."""
        results: list[Any] = []
        for flight in batch.items:
            try:
                with self._turnstile.passed(partial(_is_wanted, flight.sender)):
                    results.append(prepare(self._task, flight.request))
            except NaiadError as error:
                results.append(error)
        return results

    def close(self) -> None:
        """Nothing to release."""


def _is_wanted(sender: ResponseSender) -> bool:
    return not sender.is_over


def prepare(task: Task, request: InferRequest) -> Preparation:
    """The task's first half. Raises NaiadError, whatever the task or a library below it raises."""
    try:
        return task.prepare(request)
    except NaiadError:
        raise
    except BaseException as error:  # panics of a tokenizer's Rust are no Exception
        raise task_failed(request.model_name) from error


def task_failed(model: str) -> Failed:
    """Note a mistake of ours, or of a library, inside an `except`; gives what the client is told."""
    _log.exception("task of model '%s' failed", model)
    return Failed("internal error")


def accept_columns(request: InferRequest, config: ModelConfig) -> None:
    """Take a column (n, 1) for a row (n,): clients of servers whose models all have a batch dimension send columns."""
    for spec in config.inputs:
        tensor = request.inputs.get(spec.name)
        if tensor is not None and spec.dims == (-1,) and tensor.data.ndim == 2 and tensor.data.shape[1] == 1:
            tensor.data = tensor.data.reshape(-1)


def is_light(request: InferRequest, light_bytes: int) -> bool:
    """Whether the inputs of a request weigh so little; strings weigh their bytes and a little more, numbers theirs."""
    total = 0
    for tensor in request.inputs.values():
        data = tensor.data
        if data.dtype != object:
            total += data.nbytes
        elif (total + data.size * TEXT_BYTES) <= light_bytes:
            total += data.size * TEXT_BYTES + sum(map(len, data.reshape(-1).tolist()))
        else:
            return False
    return total <= light_bytes
