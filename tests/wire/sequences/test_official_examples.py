"""The calls of Triton's own example programs for sequences, each kind of client; what they check, they check here.

The programs are simple_{http,grpc}_{,aio_}sequence_{sync,stream}_infer_client.py: three sequences of eight values, two
with numbers as ids, one with a string, to `simple_sequence` and, with `-d`, to `simple_dyna_sequence` and
`simple_string_dyna_sequence`. The first model adds START to a value, the second END times the id besides, the third
sums up.
"""

from __future__ import annotations

import asyncio
import queue
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from naiad.testing import RunningServer

http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed (requirements/dev.txt)")
grpc = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed (requirements/dev.txt)")
http_aio = pytest.importorskip("tritonclient.http.aio", reason="tritonclient[http] is not installed")
grpc_aio = pytest.importorskip("tritonclient.grpc.aio", reason="tritonclient[grpc] is not installed")

VALUES = [11, 7, 5, 3, 2, 0, 1]
Steps = list[tuple[str, Any, list[int]]]
"""Model, id, values."""


def tensors(module: Any, value: int) -> dict[str, Any]:
    data = np.full([1, 1], value, np.int32)
    tensor = module.InferInput("INPUT", data.shape, "INT32")
    tensor.set_data_from_numpy(data)
    return {"inputs": [tensor], "outputs": [module.InferRequestedOutput("OUTPUT")]}


def place(name: Any, number: int, count: int) -> dict[str, Any]:
    return {"sequence_id": name, "sequence_start": number == 0, "sequence_end": number == count - 1}


def value_of(result: Any) -> int:
    return int(result.as_numpy("OUTPUT")[0][0])


def sync(module: Any, address: str, sequences: Steps) -> list[list[int]]:
    with module.InferenceServerClient(address) as client:
        return [
            [
                value_of(client.infer(model, **tensors(module, value), **place(name, number, len(values))))
                for number, value in enumerate(values)
            ]
            for model, name, values in sequences
        ]


def through_stream(module: Any, address: str, sequences: Steps) -> list[list[int]]:
    told: queue.Queue[Any] = queue.Queue()
    found: dict[str, list[int]] = {str(name): [] for _, name, _ in sequences}
    with module.InferenceServerClient(address) as client:
        client.start_stream(callback=lambda result, error: told.put((result, error)))
        for model, name, values in sequences:
            for number, value in enumerate(values):
                client.async_stream_infer(
                    model,
                    request_id=f"{name}_{number}",
                    **tensors(module, value),
                    **place(name, number, len(values)),
                )
        for _ in range(sum(len(values) for *_, values in sequences)):
            result, error = told.get(timeout=30)
            assert error is None, error
            found[result.get_response().id.rpartition("_")[0]].append(value_of(result))
        client.stop_stream()
    return list(found.values())


def awaited(module: Any, address: str, sequences: Steps) -> list[list[int]]:
    async def run() -> list[list[int]]:
        async with module.InferenceServerClient(address) as client:

            async def one(model: str, name: Any, values: list[int]) -> list[int]:
                return [
                    value_of(await client.infer(model, **tensors(module, value), **place(name, number, len(values))))
                    for number, value in enumerate(values)
                ]

            return list(await asyncio.gather(*(one(*sequence) for sequence in sequences)))

    return asyncio.run(run())


def awaited_stream(module: Any, address: str, sequences: Steps) -> list[list[int]]:
    async def requests() -> Any:
        for model, name, values in sequences:
            for number, value in enumerate(values):
                yield {
                    "model_name": model,
                    "request_id": f"{name}_{number}",
                    **tensors(module, value),
                    **place(name, number, len(values)),
                }

    async def run() -> list[list[int]]:
        found: dict[str, list[int]] = {str(name): [] for _, name, _ in sequences}
        left = sum(len(values) for *_, values in sequences)
        async with module.InferenceServerClient(address) as client:
            async for result, error in client.stream_infer(inputs_iterator=requests(), stream_timeout=30):
                assert error is None, error
                found[result.get_response().id.rpartition("_")[0]].append(value_of(result))
                left -= 1
                if not left:
                    break
        return list(found.values())

    return asyncio.run(run())


WAYS: dict[str, tuple[Callable[..., list[list[int]]], Any]] = {
    "simple_http_sequence_sync": (sync, http),
    "simple_http_aio_sequence_sync": (awaited, http_aio),
    "simple_grpc_sequence_sync": (sync, grpc),
    "simple_grpc_aio_sequence_sync": (awaited, grpc_aio),
    "simple_grpc_sequence_stream": (through_stream, grpc),
    "simple_grpc_aio_sequence_stream": (awaited_stream, grpc_aio),
}


def ask(server: RunningServer, way: str, sequences: Steps) -> list[list[int]]:
    send, module = WAYS[way]
    return send(module, server.address if "http" in way else str(server.grpc_address), sequences)


@pytest.mark.parametrize("way", WAYS)
def test_without_d(server: RunningServer, way: str) -> None:
    negative = [-value for value in VALUES]
    name = "simple_sequence"
    sequences: Steps = [
        (name, 1000, [0, *VALUES]),
        (name, 1001, [100, *negative]),
        (name, str(uuid.uuid4()), [20, *negative]),
    ]
    assert ask(server, way, sequences) == [[1, *VALUES], [101, *negative], [21, *negative]]


@pytest.mark.parametrize("way", WAYS)
def test_with_d(server: RunningServer, way: str) -> None:
    negative = [-value for value in VALUES]
    sequences: Steps = [
        ("simple_dyna_sequence", 1000, [0, *VALUES]),
        ("simple_dyna_sequence", 1001, [100, *negative]),
        ("simple_string_dyna_sequence", "1002", [20, *negative]),
    ]
    sums = [20 - sum(VALUES[:number]) for number in range(len(VALUES) + 1)]
    sums[-1] += 1002
    assert ask(server, way, sequences) == [
        [1, *VALUES[:-1], VALUES[-1] + 1000],
        [101, *negative[:-1], negative[-1] + 1001],
        sums,
    ]
