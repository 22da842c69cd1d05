"""A made-up door: a line `MODEL NUMBER NUMBER` is a request, and its answer is a line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from naiad.core.errors import NaiadError
from naiad.core.message import Answer, InferRequest
from naiad.core.tensor import Tensor
from naiad.serving.engine import Engine
from naiad.wire.door import Door, DoorNeeds


@dataclass
class LinesSettings:
    """See `DoorSettings`."""

    allow: bool = True
    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 0
    reuse_port: bool = False


class LinesListener:
    """See `Listener`."""

    port = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connections: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, hosts: Sequence[str], port: int, option: str, tls: Any, reuse_port: bool) -> None:
        del option, tls, reuse_port
        self._server = await asyncio.start_server(self._serve, hosts, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while line := await reader.readline():
                await self._answer(line.decode().split(), writer)
                await writer.drain()
        finally:
            writer.close()
            self._connections.discard(task)

    async def _answer(self, words: list[str], writer: asyncio.StreamWriter) -> None:
        over = asyncio.Event()

        def deliver(answer: Answer, is_final: bool) -> None:
            assert is_final
            told = answer.message if isinstance(answer, NaiadError) else str(answer.outputs[0].data.tolist())
            writer.write(told.encode() + b"\n")
            over.set()

        try:
            model = self._engine.route(words[0])
            array = np.array([words[1:]], np.float32)
            request = InferRequest(model.name, inputs={"x": Tensor("x", "FP32", array)})
            self._engine.submit(model, request, deliver)
        except NaiadError as error:
            deliver(error, True)
        await over.wait()

    async def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def wait_told(self) -> None:
        pass

    def finish_connections(self) -> None:
        for task in list(self._connections):
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def close(self) -> None:
        await self.stop_accepting()


def lines_door(needs: DoorNeeds) -> Door:
    """The one function that the table of doors needs."""
    return Door("Lines", "lines", "--lines-port", LinesSettings(), LinesListener(needs.services.engine))
