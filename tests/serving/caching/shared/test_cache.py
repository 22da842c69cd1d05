"""The shared cache on a real Redis server: what is shared, what never is, and what an outage costs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from naiad.core.contracts import Instances
from naiad.core.message import InferRequest, InferResponse
from naiad.core.model.config import ModelConfig, TensorConfig
from naiad.core.tensor import Tensor
from naiad.serving.caching.choice import make_cache
from naiad.serving.caching.model import CachedModel, Caching
from naiad.serving.caching.shared import cache as shared
from naiad.serving.caching.shared.cache import SharedCache
from naiad.serving.catalog import Catalog
from naiad.serving.engine import Engine
from naiad.serving.tensor_model import TensorModel
from naiad.testing import FakeInstance

CONFIG = ModelConfig(
    "twice",
    max_batch_size=4,
    inputs=(TensorConfig("x", "FP32", (-1,)),),
    outputs=(TensorConfig("y", "FP32", (-1,)),),
    uses_response_cache=True,
    document={"name": "twice", "version_policy": {}},
)
CONTENTS = b"weights of the first day"


def twice(request: InferRequest) -> InferResponse:
    return InferResponse("twice", "1", [Tensor("y", "FP32", request.inputs["x"].data * 2)], parameters={"a": 1})


class Server:
    """One of several servers: an engine, a model of its own, and its way to the cache."""

    def __init__(self, cache: SharedCache) -> None:
        self.cache = cache
        self.instance = FakeInstance(twice)
        self.engine = Engine(Catalog())
        self.model = self.load()

    def load(self, contents: bytes | None = CONTENTS, config: ModelConfig = CONFIG) -> CachedModel:
        served = Caching(self.cache, self.engine.worker)(TensorModel(config, "1", Instances([self.instance])), contents)
        assert isinstance(served, CachedModel)
        self.model = served
        return served

    async def ask(self, *values: float, **more: Any) -> InferResponse:
        inputs = {"x": Tensor("x", "FP32", np.array([values], np.float32))}
        response = await self.engine.infer(InferRequest("twice", inputs=inputs, **more), self.model)
        assert response.outputs[0].data.tolist() == [[2 * value for value in values]]
        return response

    @property
    def runs(self) -> int:
        return len(self.instance.batches)


@asynccontextmanager
async def servers(redis: Any, count: int = 2, **settings: Any) -> AsyncIterator[list[Server]]:
    """Servers that share what is in a Redis server."""
    opened: list[Server] = []
    try:
        for _ in range(count):
            cache = make_cache(redis.lines(**settings))
            assert isinstance(cache, SharedCache)
            opened.append(Server(cache))
            await cache.open()
        yield opened
    finally:
        for server in opened:
            await server.model.drain()
            server.model.close()
            await server.cache.close()
            server.engine.worker.close()


async def until(holds: Callable[[], Any]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.001)


async def kept(server: Server, count: int, redis: Any) -> None:
    """Return when Redis has so many answers."""
    async with asyncio.timeout(30):
        while int((await asyncio.to_thread(redis.ask, "DBSIZE"))[1:]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert server.cache.statistics.failures == 0


@pytest.fixture
def redis(redis_process: Any) -> Any:
    """The server of all tests that do not stop it, empty."""
    redis_process.ask("FLUSHALL")
    return redis_process


async def test_one_server_gives_what_another_has_answered(redis: Any) -> None:
    async with servers(redis) as (first, second):
        await first.ask(1, 2, id="a")
        await kept(first, 1, redis)
        again = await second.ask(1, 2, id="b")
        assert (again.id, again.model_version, again.parameters) == ("b", "1", {"a": 1})
        assert (first.runs, second.runs) == (1, 0)
        assert (second.cache.statistics.hits, second.cache.statistics.misses) == (1, 0)
        assert second.model.statistics.cache_hit.count == second.model.statistics.success.count == 1
        assert first.model.statistics.cache_miss.count == 1
        await second.ask(1, 3)
        assert second.runs == 1


@pytest.mark.parametrize(
    ("contents", "config"),
    [
        (b"weights of the second day", CONFIG),
        (None, CONFIG),
        (CONTENTS, replace(CONFIG, document={"parameters": 1})),
    ],
    ids=["other weights", "who knows what", "another configuration"],
)
async def test_what_is_made_of_something_else_gets_no_answer_of_it(
    redis: Any, contents: Any, config: ModelConfig
) -> None:
    async with servers(redis) as (first, second):
        await first.ask(1)
        await kept(first, 1, redis)
        second.load(contents, config)
        await second.ask(1)
        assert second.runs == 1
        await kept(second, 2, redis)


async def test_another_policy_of_versions_changes_no_answer(redis: Any) -> None:
    async with servers(redis) as (first, second):
        await first.ask(1)
        await kept(first, 1, redis)
        other = {**CONFIG.document, "version_policy": {"all": {}}}
        second.load(config=replace(CONFIG, document=other))
        await second.ask(1)
        assert second.runs == 0


async def test_many_are_looked_up_together_and_each_gets_its_own(redis: Any) -> None:
    async with servers(redis, pool_size=2) as (first, second):
        await asyncio.gather(*(first.ask(value) for value in range(100)))
        await kept(first, 100, redis)
        for server in (second, first):
            await asyncio.gather(*(server.ask(value, id=str(value)) for value in range(100)))
            assert server.cache.statistics.hits == 100
        assert second.runs == 0


async def test_answers_grow_too_old(redis: Any) -> None:
    async with servers(redis, 1, ttl=1000) as (server,):
        await server.ask(1)
        await kept(server, 1, redis)
        (key,) = [line for line in redis.ask("KEYS", "*").split(b"\r\n") if line.startswith(b"naiad:1:twice:1:")]
        assert 0 < int(redis.ask("TTL", key.decode())[1:]) <= 1000
        redis.ask("PEXPIRE", key.decode(), "0")
        await server.ask(1)
        assert server.runs == 2


async def test_large_answers_are_hashed_beside_the_loop_and_too_large_ones_are_not_kept(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_LONG_BYTES", 100)
    async with servers(redis, entry_size=5000) as (first, second):
        for length in (10, 500, 2000):
            await first.ask(*[1.0] * length)
        await kept(first, 2, redis)
        for length in (10, 500, 2000):
            await second.ask(*[1.0] * length)
        assert second.runs == 1


@pytest.mark.parametrize("words", [("SET", '""'), ("SET", "x"), ("SET", "NAIA" * 20), ("LPUSH", "x")])
async def test_what_somebody_else_wrote_there_is_a_miss(redis: Any, words: tuple[str, str]) -> None:
    async with servers(redis) as (first, second):
        await first.ask(1)
        await kept(first, 1, redis)
        (key,) = [line.decode() for line in redis.ask("KEYS", "*").split(b"\r\n") if line.startswith(b"naiad")]
        redis.ask("DEL", key)
        redis.ask(words[0], key, words[1])
        await second.ask(1)
        assert (second.runs, second.cache.statistics.misses) == (1, 1)
        assert second.cache.statistics.is_available


async def test_requests_that_are_withdrawn_while_they_are_looked_up_do_not_run(redis: Any) -> None:
    async with servers(redis, 1) as (server,):
        asked = asyncio.ensure_future(server.ask(1))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await server.model.drain()
        assert (server.runs, server.cache.statistics.misses) == (0, 1)


async def test_a_full_redis_costs_speed_and_is_said_once(
    redis_processes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = redis_processes("--maxmemory", "1")
    async with servers(redis, 1) as (server,):
        for value in range(3):
            await server.ask(value)
            await until(lambda: server.cache.statistics.failures == server.runs)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"the response cache at 127.0.0.1:{redis.port} refuses: " in caplog.text
    assert "maxmemory" in caplog.text


async def test_an_outage_costs_speed_and_no_answers(redis_processes: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Killed in the middle of load, started again, frozen, thawed."""
    caplog.set_level(logging.INFO)
    redis = redis_processes()
    async with servers(redis, 1, connect_timeout=200, socket_timeout=200) as (server,):
        statistics, is_over = server.cache.statistics, False

        async def load() -> None:
            value = 0
            while not is_over:
                value += 1
                await asyncio.gather(*(server.ask(value // 3 + part) for part in range(20)))

        clients = asyncio.ensure_future(load())
        await until(lambda: statistics.hits > 20)
        for stop, go_on in ((redis.kill, redis.start), (redis.freeze, redis.thaw)):
            stop()
            await until(lambda: not statistics.is_available)
            answered = server.model.statistics.success.count
            await until(lambda: server.model.statistics.success.count > answered + 100)  # noqa: B023 - before it changes
            await asyncio.to_thread(go_on)
            await until(lambda: statistics.is_available)
            hits = statistics.hits
            await until(lambda: statistics.hits > hits + 20)  # noqa: B023
        is_over = True
        await clients
        assert not any(server.model.statistics.failures.values())
    said = [(record.levelno, record.message) for record in caplog.records]
    assert [level for level, _ in said[:2]] == [logging.WARNING, logging.INFO]
    assert said[0][1].startswith(f"the response cache at 127.0.0.1:{redis.port} does not answer: ")
    assert said[0][1].endswith("; requests run without it until it does")
    assert said[1][1] == f"the response cache at 127.0.0.1:{redis.port} answers again"


async def test_during_an_outage_nobody_waits(redis_processes: Any) -> None:
    redis = redis_processes()
    async with servers(redis, 1, connect_timeout=200, socket_timeout=200) as (server,):
        redis.freeze()
        await server.ask(1)
        assert not server.cache.statistics.is_available
        answers: list[Any] = []
        server.cache.look_up(b"key", answers.append)
        assert answers == [None]
        redis.thaw()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"password": "wrong"}, "check redis,user and redis,password"),
        ({"user": "nobody", "password": "secret"}, "check redis,user and redis,password"),
        ({}, "Authentication required; check redis,user and redis,password"),
        ({"password": "secret", "port": 1}, "127.0.0.1:1 does not answer"),
        ({"password": "secret", "host": "no-such-host.invalid"}, "no-such-host.invalid:"),
        ({"password": "secret", "db": 99}, "DB index is out of range"),
    ],
    ids=["wrong password", "wrong user", "no password", "wrong port", "wrong host", "wrong db"],
)
async def test_a_mistake_about_the_server_is_one_warning(
    redis_processes: Any, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], words: str
) -> None:
    async with servers(redis_with_password(redis_processes), 1, **settings) as (server,):
        await server.ask(1)
        await server.ask(1)
        assert server.runs == 2
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.message
    assert "secret" not in caplog.text


async def test_the_right_password_opens_it(redis_processes: Any) -> None:
    async with servers(redis_with_password(redis_processes), password="secret") as (first, second):
        await first.ask(1)
        await until(lambda: first.cache.statistics.misses == 1)
        while not second.cache.statistics.hits:
            await second.ask(1)
        assert first.cache.statistics.is_available


_LOCKED: list[Any] = []


def redis_with_password(redis_processes: Any) -> Any:
    if not _LOCKED:
        _LOCKED.append(redis_processes("--requirepass", "secret"))
    return _LOCKED[0]
