"""The answers that servers share: looked up and kept by tasks beside the requests, so that none waits for long.

What waits is asked for together, as many as there are. A server of answers that fails costs whoever is asking at that
time one time limit; after that every request goes to its model at once, until a try in the background goes well.
Nothing here is needed for an answer: whatever goes wrong is a miss.

Not covered: who can write to the server of answers can say what is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.message import InferResponse
from naiad.observe.cache_statistics import CacheStatistics
from naiad.serving.caching.answer import KeptAnswer, size_of
from naiad.serving.caching.contract import Found
from naiad.serving.caching.key import Keys
from naiad.serving.caching.shared.breaker import Breaker
from naiad.serving.caching.shared.form import FORM, read_answer, seal, write_answer
from naiad.serving.caching.shared.server import AnswerServer, Refused, Unreachable
from naiad.serving.model import ServedModel

MOST_LOOKUPS = 1024
"""Requests that wait to be looked up; more of them run at once."""

AT_ONCE = 16
"""Answers that are asked for, or brought, together."""

MOST_PUT_BYTES = 32 * 1024 * 1024
"""Answers that wait to be brought; more of them are not kept."""

_LONG_BYTES = 256 * 1024
"""Answers up to here are hashed on the loop; longer ones in a thread."""

_REMARK_S = 60.0
"""Between two remarks in the log that the server refuses something."""

_log = logging.getLogger("naiad.serving")


@dataclass(slots=True)
class _Lookup:
    key: bytes
    found: Found
    since_s: float


class SharedCache:
    """The answers of all models of a server, and of others; see `AnswerCache`."""

    is_shared = True

    def __init__(
        self,
        server: AnswerServer,
        *,
        ttl_s: float,
        entry_bytes: int,
        connections: int = 1,
        wait_s: float = 0.1,
        clock: Clock = monotonic,
    ) -> None:
        """ttl_s: how long an answer is kept. entry_bytes: the largest. wait_s: before it is a request's turn."""
        self.statistics = CacheStatistics(is_shared=True)
        self.clock = clock
        self._server = server
        self._ttl_s, self._entry_bytes = ttl_s, entry_bytes
        self._connections, self._wait_s = connections, wait_s
        self._breaker = Breaker()
        self._lookups: deque[_Lookup] = deque()
        self._puts: deque[tuple[bytes, bytes]] = deque()
        self._put_bytes = 0
        self._has_lookups, self._has_puts, self._is_lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._remarked_s = float("-inf")
        self._is_closing = False
        """Looked at besides being cancelled: a library below may take a cancellation for its own, and go on."""

    async def open(self) -> None:
        """Begin; returns when the server has been tried. One that cannot be reached is tried again and again."""
        self._running = asyncio.get_running_loop().create_task(self._run())
        await self._try()

    async def close(self) -> None:
        """End; who still waits is told that there is nothing."""
        self._is_closing = True
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        await self._server.close()

    def keys(self, model: ServedModel, contents: bytes | None) -> Keys:
        """See `AnswerCache.keys`. Copies of equal contents and configuration, anywhere, have the same keys."""
        document = {key: value for key, value in model.config.document.items() if key != "version_policy"}
        made_of = secrets.token_bytes(32) if contents is None else contents
        prefix = f"naiad:{FORM}:{model.name}:{model.version}:".encode(errors="surrogatepass")
        return Keys(model.name, model.version, (made_of, document), secret=b"", prefix=prefix)

    def look_up(self, key: bytes, found: Found) -> None:
        """See `AnswerCache.look_up`."""
        if self._breaker.is_open or self._running is None or len(self._lookups) >= MOST_LOOKUPS:
            self._tell(found)
            return
        self._lookups.append(_Lookup(key, found, self.clock()))
        self._has_lookups.set()

    def offer(self, key: bytes, response: InferResponse, mine: set[bytes]) -> None:  # noqa: ARG002 - of the contract
        """See `AnswerCache.offer`; copies the answer at once, and brings it to the server later."""
        if self._breaker.is_open or self._running is None or size_of(response) > self._entry_bytes:
            return
        written = write_answer(response)
        if self._put_bytes + len(written) <= MOST_PUT_BYTES:
            self._puts.append((key, written))
            self._put_bytes += len(written)
            self._has_puts.set()

    def forget(self, mine: set[bytes], most: int) -> None:
        """See `AnswerCache.forget`; other servers may have the same model, and all answers grow too old."""

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._connections):
                    tasks.create_task(self._look_up_all())
                tasks.create_task(self._put_all())
                tasks.create_task(self._try_again())
        except Exception:  # noqa: BLE001 — a mistake of ours; requests go on without
            _log.exception("the response cache has failed; requests run without it")
        finally:
            self._running = None
            self._give_up()

    async def _look_up_all(self) -> None:
        while not self._is_closing:
            await _until(self._has_lookups, self._lookups)
            batch = self._next_lookups()
            answers: list[KeptAnswer | None] = [None] * len(batch)
            try:
                values = await self._ask(self._server.get([one.key for one in batch])) if batch else None
                for at, sealed in enumerate(values or ()):
                    if sealed is not None:
                        answers[at] = await _beside(len(sealed), read_answer, batch[at].key, sealed)
            finally:  # also when it ends
                for one, answer in zip(batch, answers, strict=True):
                    self._tell(one.found, answer)

    def _next_lookups(self) -> list[_Lookup]:
        """Take those whose turn it is; who has waited for too long is told that there is nothing."""
        batch: list[_Lookup] = []
        last_s = self.clock() - self._wait_s
        while self._lookups and len(batch) < AT_ONCE:
            one = self._lookups.popleft()
            if one.since_s < last_s:
                self._tell(one.found)
            else:
                batch.append(one)
        return batch

    def _tell(self, found: Found, answer: KeptAnswer | None = None) -> None:
        if answer is None:
            self.statistics.misses += 1
        else:
            self.statistics.hits += 1
        found(answer)

    async def _put_all(self) -> None:
        while not self._is_closing:
            await _until(self._has_puts, self._puts)
            batch = [self._puts.popleft() for _ in range(min(AT_ONCE, len(self._puts)))]
            self._put_bytes -= sum(len(written) for _, written in batch)
            sealed = [(key, await _beside(len(written), seal, key, written)) for key, written in batch]
            await self._ask(self._server.put(sealed, self._ttl_s))

    async def _try_again(self) -> None:
        """Try a server that has failed, in its pauses."""
        while not self._is_closing:
            await self._is_lost.wait()
            await asyncio.sleep(max(0.0, self._breaker.try_s - self.clock()))
            await self._try()

    async def _try(self) -> None:
        """Look whether the server would answer."""
        was_open = self._breaker.is_open
        try:
            await self._server.reach()
        except (Unreachable, Refused) as error:
            self._failed(error)
            return
        self._breaker = self._breaker.reached()
        self._is_lost.clear()
        self.statistics.is_available = True
        if was_open:
            _log.info("the response cache at %s answers again", self._server.address)

    async def _ask(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what a call gives, or None where it fails."""
        try:
            result = await call
        except Unreachable as error:
            self._failed(error)
        except Refused as error:
            self.statistics.failures += 1
            if self.clock() - self._remarked_s >= _REMARK_S:
                self._remarked_s = self.clock()
                _log.warning("the response cache at %s refuses: %s", self._server.address, error)
        else:
            self._breaker = self._breaker.answered()
            return result
        return None

    def _failed(self, error: Exception) -> None:
        """Ask no more for a while."""
        self.statistics.failures += 1
        if not self._breaker.is_open:
            _log.warning(
                "the response cache at %s does not answer: %s; requests run without it until it does",
                self._server.address,
                error,
            )
        self._breaker = self._breaker.failed(self.clock())
        self.statistics.is_available = False
        self._is_lost.set()
        self._give_up()

    def _give_up(self) -> None:
        """Keep nobody waiting."""
        self._puts.clear()
        self._put_bytes = 0
        while self._lookups:
            self._tell(self._lookups.popleft().found)


async def _until(event: asyncio.Event, queue: deque[Any]) -> None:
    """Return when something is in the queue, whose event is set with every addition."""
    while not queue:
        event.clear()
        await event.wait()


async def _beside(size: int, call: Any, *arguments: Any) -> Any:
    """Call at once, or in a thread if it takes long."""
    return call(*arguments) if size <= _LONG_BYTES else await asyncio.to_thread(call, *arguments)
