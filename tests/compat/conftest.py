"""A server by PyTriton's names on free ports, with the models of these tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from naiad.compat.pytriton.decorators import batch, sample
from naiad.compat.pytriton.model_config import ModelConfig, Tensor
from naiad.compat.pytriton.triton import Triton, TritonConfig, TritonSecurityConfig

X, Y = Tensor(name="x", dtype=np.float32, shape=(-1,)), Tensor(name="y", dtype=np.float32, shape=(-1,))
OPEN = TritonSecurityConfig(restricted_endpoints=[])


@batch
def add_sub(**inputs: Any) -> Any:
    a, b = inputs.values()
    return {"add": a + b, "sub": a - b}


@batch
def countdown(x: Any) -> Any:
    for number in range(int(x[0, 0]), 0, -1):
        yield {"y": np.full_like(x, number)}


@batch
async def shout(text: Any) -> Any:
    await asyncio.sleep(0)
    return [np.char.upper(np.char.decode(text.astype(np.bytes_), "utf-8"))]


@sample
def total(x: Any) -> Any:
    return [x.sum(keepdims=True)]


def broken(requests: Any) -> Any:
    raise ValueError("no such luck")


def free() -> TritonConfig:
    return TritonConfig(http_port=0, grpc_port=0, metrics_port=0)


class Running:
    """Where a `Triton` is."""

    def __init__(self, triton: Triton) -> None:
        self.triton = triton
        self.http = f"http://{triton.http_address}"
        self.grpc = f"grpc://{triton.grpc_address}"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Triton(config=free()) as triton:
        tensors = [Tensor(dtype=np.float32, shape=(-1,)), Tensor(dtype=np.float32, shape=(-1,))]
        outputs = [Tensor(name=name, dtype=np.float32, shape=(-1,)) for name in ("add", "sub")]
        triton.bind("AddSub", add_sub, tensors, outputs, config=ModelConfig(max_batch_size=128), strict=True)
        triton.bind("Countdown", countdown, [X], [Y], config=ModelConfig(decoupled=True))
        text = [Tensor(name="text", dtype=bytes, shape=(1,))]
        triton.bind("Shout", shout, text, [Tensor(name="loud", dtype=bytes, shape=(1,))])
        triton.bind("Total", total, [X], [Y], config=ModelConfig(batching=False))
        triton.bind("Broken", broken, [X], [Y])
        yield Running(triton)
