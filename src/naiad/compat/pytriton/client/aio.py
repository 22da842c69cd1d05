"""The clients for asyncio: `AsyncioModelClient`, and `AsyncioDecoupledModelClient` for any number of answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from naiad.compat.pytriton.client.base import LOOK_AGAIN_S, Asked, BaseModelClient
from naiad.compat.pytriton.client.exceptions import (
    PyTritonClientClosedError,
    PyTritonClientValueError,
    inferring,
)
from naiad.compat.pytriton.client.links import AsyncLink
from naiad.compat.pytriton.client.values import read_config
from naiad.compat.pytriton.decorators import TritonModelConfig
from naiad.core.errors import NaiadError
from naiad.core.tensor import Array


class _AsyncioClient(BaseModelClient):
    """What the two have in common."""

    def __init__(self, url: str, model_name: str, model_version: str | None = None, **options: Any) -> None:
        """See `BaseModelClient`; with lazy_init=False, `async with` waits for the model."""
        super().__init__(url, model_name, model_version, **options)
        self._link: AsyncLink | None = AsyncLink(self._url, self._token, self._inference_timeout_s)

    @property
    async def model_config(self) -> TritonModelConfig:
        """What the model takes and gives; waits until it is ready."""
        return await self._find()

    async def wait_for_model(self, timeout_s: float) -> None:
        """Return when the model takes requests. Raises PyTritonClientTimeoutError."""
        until_s = time.monotonic() + timeout_s
        question = self._questions.is_model_ready(self._name, self._version)
        while True:
            left_s = max(0.01, until_s - time.monotonic())
            try:
                if await self._open.send(question, left_s):
                    return
            except NaiadError:  # there is no server yet, or no such model
                pass
            if time.monotonic() >= until_s:
                raise self._late(self._called)
            await asyncio.sleep(min(LOOK_AGAIN_S, left_s))

    async def close(self) -> None:
        """Close the connections."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def __aenter__(self) -> Self:
        if not self._lazy_init:
            try:
                await self._find()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _find(self) -> TritonModelConfig:
        """Wait for the model, once, and ask what it is."""
        config = self._config
        if config is None or not self._is_found:
            await self.wait_for_model(self._init_timeout_s)
            question = self._questions.config(self._name, self._version)
            with inferring(self._init_timeout_s):
                document = await self._open.send(question, self._init_timeout_s)
            config = self._config = read_config(document)
            self._is_found = True
        return config

    @property
    def _open(self) -> AsyncLink:
        if self._link is None:
            raise PyTritonClientClosedError(f"{type(self).__name__} is closed")
        return self._link


class AsyncioModelClient(_AsyncioClient):
    """Asks one model; tasks of one event loop may share it."""

    async def _infer(self, asked: Asked) -> dict[str, Array]:
        config = await self._find()
        inference = self._inference(config, asked)
        with inferring(self._inference_timeout_s):
            call = self._questions.infer(self._name, self._version, inference)
            tensors = await self._open.send(call, self._inference_timeout_s, asked.headers)
        return asked.values(tensors, config)


class AsyncioDecoupledModelClient(_AsyncioClient):
    """Asks a model that gives any number of answers; iterate with `async for`. gRPC only."""

    decoupled = True

    def __init__(self, url: str, model_name: str, model_version: str | None = None, **options: Any) -> None:
        super().__init__(url, model_name, model_version, **options)
        if self._url.scheme == "http":
            raise PyTritonClientValueError("AsyncioDecoupledModelClient is only supported for grpc protocol")

    async def _infer(self, asked: Asked) -> AsyncIterator[dict[str, Array]]:
        config = await self._find()
        channel = self._open.channel
        assert channel is not None
        call = self._questions.infer(self._name, self._version, self._inference(config, asked))
        with inferring(self._inference_timeout_s):
            async for tensors in channel.astream(call, self._inference_timeout_s, asked.headers):
                yield asked.values(tensors, config)
