"""`FuturesModelClient`: requests that are under way in threads, and futures of their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from naiad.compat.pytriton.client.base import INFERENCE_TIMEOUT_S
from naiad.compat.pytriton.client.exceptions import PyTritonClientClosedError, PyTritonClientQueueFullError
from naiad.compat.pytriton.client.sync import ModelClient
from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.core.tensor import Array

_MANY_THREADS = 1024


class FuturesModelClient:
    """Asks one model from threads of its own; any thread may call."""

    def __init__(
        self,
        url: str,
        model_name: str,
        model_version: str | None = None,
        *,
        max_workers: int | None = 128,
        max_queue_size: int | None = 128,
        non_blocking: bool = False,
        init_timeout_s: float | None = None,
        inference_timeout_s: float | None = None,
        access_token: str | None = None,
    ) -> None:
        """max_workers: requests under way at the same time. max_queue_size: requests that wait for that.

        non_blocking: raise PyTritonClientQueueFullError where no more may wait; else wait, for inference_timeout_s.
        """
        for name, value in (("max_workers", max_workers), ("max_queue_size", max_queue_size)):
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be greater than 0")
        self._client = ModelClient(
            url,
            model_name,
            model_version,
            init_timeout_s=init_timeout_s,
            inference_timeout_s=inference_timeout_s,
            access_token=access_token,
        )
        self._threads = ThreadPoolExecutor(max_workers or _MANY_THREADS, thread_name_prefix="naiad-futures")
        self._room = None if max_queue_size is None else threading.BoundedSemaphore(max_queue_size)
        self._room_s = 0.0 if non_blocking else inference_timeout_s or INFERENCE_TIMEOUT_S
        self._is_closed = False

    def wait_for_model(self, timeout_s: float) -> Future[None]:
        """See `ModelClient.wait_for_model`."""
        return self._begin(self._client.wait_for_model, timeout_s)

    def model_config(self) -> Future[TritonModelConfig]:
        """See `ModelClient.model_config`."""
        return self._begin(lambda: self._client.model_config)

    def infer_sample(self, *inputs: Array, **named: Any) -> Future[dict[str, Array]]:
        """See `ModelClient.infer_sample`, whose arguments it takes."""
        return self._begin(self._client.infer_sample, *inputs, **named)

    def infer_batch(self, *inputs: Array, **named: Any) -> Future[dict[str, Array]]:
        """See `ModelClient.infer_batch`, whose arguments it takes."""
        return self._begin(self._client.infer_batch, *inputs, **named)

    def close(self, wait: bool = True) -> None:
        """Take no more requests. wait: return when those that there are have been answered."""
        if not self._is_closed:
            self._is_closed = True
            self._threads.shutdown(wait=wait)
            if wait:
                self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, call: Callable[..., Any], *args: Any, **named: Any) -> Future[Any]:
        if self._is_closed:
            raise PyTritonClientClosedError("FutureModelClient is already closed")
        room = self._room
        if room is None:
            return self._threads.submit(call, *args, **named)
        if not room.acquire(timeout=self._room_s) if self._room_s else not room.acquire(blocking=False):
            raise PyTritonClientQueueFullError("Queue is full")

        def begun() -> Any:
            room.release()
            return call(*args, **named)

        return self._threads.submit(begun)
