"""Never a wrong hit: whatever is asked in whatever order, each request gets the answer that is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naiad.core.contracts import Instances
from naiad.core.message import InferRequest, InferResponse, RequestedOutput
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor, bytes_tensor
from naiad.serving.caching.choice import make_cache
from naiad.serving.caching.model import Caching
from naiad.serving.caching.shared.cache import SharedCache
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.model import ServedModel
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance

DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "FP32": np.float32}
NAMES = ("a", "ab")
COPIES = (("m", "1", b"first"), ("m", "2", b"first"), ("m", "1", b"second"), ("n", "1", b"first"))
"""Name, version, contents: alike in all but one."""


def config(name: str) -> ModelConfig:
    inputs = tuple(TensorConfig(one, "FP32", (-1, -1), optional=True) for one in NAMES)
    outputs = tuple(TensorConfig(one, "BYTES", (1,)) for one in ("y", "z"))
    return ModelConfig(name, inputs=inputs, outputs=outputs, uses_response_cache=True)


def facts(copy: Any, request: InferRequest) -> bytes:
    """All that an answer depends on, as text."""
    inputs = [
        (
            name,
            tensor.datatype,
            tensor.shape,
            tensor.data.tobytes() if tensor.datatype != "BYTES" else tensor.data.tolist(),
        )
        for name, tensor in sorted(request.inputs.items())
    ]
    outputs = [output.name for output in request.outputs]
    return repr((copy, inputs, outputs, sorted(request.parameters.items()))).encode()


@st.composite
def tensors(draw: st.DrawFn, name: str) -> Tensor:
    """Small ones, many of which have the same bytes."""
    shape = draw(st.sampled_from(((1, 2), (2, 1), (1, 1), (0, 2))))
    count = shape[0] * shape[1]
    datatype = draw(st.sampled_from((*DTYPES, "BYTES")))
    if datatype == "BYTES":
        return bytes_tensor(name, [draw(st.sampled_from((b"", b"\0", b"x"))) for _ in range(count)], shape)
    values = [draw(st.sampled_from((0, 1))) for _ in range(count)]
    return Tensor(name, datatype, np.array(values, DTYPES[datatype]).reshape(shape))


@st.composite
def asked(draw: st.DrawFn) -> tuple[int, InferRequest]:
    """Which copy, and what."""
    inputs = {name: draw(tensors(name)) for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))}
    outputs = tuple(map(RequestedOutput, draw(st.sampled_from(((), ("y",), ("z",), ("y", "z"), ("z", "y"))))))
    parameters = draw(
        st.dictionaries(st.sampled_from(("p", "q")), st.sampled_from((0, False, 0.0, "0", "")), max_size=1)
    )
    request = InferRequest("m", inputs=inputs, outputs=outputs, parameters=parameters)
    return draw(st.integers(0, len(COPIES) - 1)), request


class Echo(TensorModel):
    """A model that answers with the facts, whatever they are, as other backends may."""

    def __init__(self, name: str, version: str, contents: bytes) -> None:
        super().__init__(config(name), version, Instances([FakeInstance(self._facts)]))
        self._copy = name, version, contents
        self._check.rows = lambda _: 1  # type: ignore[method-assign]  # any datatype will do

    def _facts(self, request: InferRequest) -> InferResponse:
        names = [output.name for output in request.outputs] or ["y", "z"]
        value = facts(self._copy, request)
        return InferResponse(self.name, self.version, [bytes_tensor(name, [value + name.encode()]) for name in names])


@asynccontextmanager
async def two_servers(lines: tuple[str, ...], hits: list[int]) -> AsyncIterator[list[list[ServedModel]]]:
    """The copies in two servers with a cache of the same configuration."""
    engines = [Engine(Catalog()) for _ in range(2)]
    caches = [make_cache(lines) for _ in engines]
    for cache in caches:
        if isinstance(cache, SharedCache):
            await cache.open()
    models = [
        [Caching(cache, engine.worker)(Echo(*copy), copy[2]) for copy in COPIES]
        for cache, engine in zip(caches, engines, strict=True)
    ]
    try:
        yield models
    finally:
        for model in [*models[0], *models[1]]:
            await model.drain()
            model.close()
        for cache in caches:
            assert cache is not None
            hits.append(cache.statistics.hits)
            if isinstance(cache, SharedCache):
                await cache.close()


Store = tuple[tuple[str, ...], list[int]]
"""`--cache-config`, and the hits there were."""


@pytest.fixture(params=["local", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    lines: tuple[str, ...] = ("local,size=20000",)
    if request.param == "redis":
        redis = request.getfixturevalue("redis_process")
        redis.ask("FLUSHALL")
        lines = redis.lines()
    hits: list[int] = []
    yield lines, hits
    assert sum(hits) > 100, "or nothing was shown"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(questions=st.lists(asked(), min_size=2, max_size=12))
def test_every_request_gets_its_own_answer(store: Store, questions: list[tuple[int, InferRequest]]) -> None:
    """All of them at two servers, alone and at the same time; Redis keeps answers from one example to the next."""

    async def story() -> None:
        engine = Engine(Catalog())
        async with two_servers(*store) as servers:
            for models in servers:
                for number, request in questions:
                    await check(engine, models, number, request)
                await asyncio.gather(*(check(engine, models, number, request) for number, request in questions))

    asyncio.run(story())


async def check(engine: Engine, models: list[ServedModel], number: int, request: InferRequest) -> None:
    again = InferRequest("m", inputs=dict(request.inputs), outputs=request.outputs, parameters=request.parameters)
    response = await engine.infer(again, models[number])
    expected = facts(COPIES[number], request)
    names = [output.name for output in request.outputs] or ["y", "z"]
    assert [tensor.name for tensor in response.outputs] == names
    assert [tensor.data.tolist() for tensor in response.outputs] == [[expected + name.encode()] for name in names]
    assert (response.model_name, response.model_version) == COPIES[number][:2]
