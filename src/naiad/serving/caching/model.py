"""A model whose answers are kept: stands in front of another one and asks it only what it has not answered yet.

An answer that is given again goes the way of every answer, through the request's sender: it gets the request's id, its
classes, its place in shared memory. It counts as a success, but as no inference. Requests of a sequence go past the
cache, because their answers depend on others; errors are not kept.

Not covered: equal requests that are under way at the same time each run.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from naiad.core.errors import Failed, NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.scheduling.batching.lingering import Lingering
from naiad.serving.caching.answer import KeptAnswer
from naiad.serving.caching.contract import AnswerCache
from naiad.serving.caching.key import size_of
from naiad.serving.model import ServedModel
from naiad.serving.readiness import can_answer
from naiad.serving.response_sender import ResponseSender
from naiad.serving.worker import Worker

HASHED_BYTES = 256 * 1024
"""Requests up to here are hashed on the loop, in half a millisecond; longer ones in a thread."""

_FORGOTTEN = 1024
"""Answers that are dropped in one turn of the event loop."""

_log = logging.getLogger("naiad.serving")


class Caching:
    """Puts a server's cache, if it has one, in front of the models that ask for it."""

    def __init__(self, cache: AnswerCache | None, worker: Worker) -> None:
        """worker: for hashing long requests."""
        self._cache = cache
        self._worker = worker
        self.reads_contents = cache is not None and cache.is_shared
        """Whether models should be described by what they are made of."""

    def __call__(self, model: ServedModel, contents: bytes | None = None) -> ServedModel:
        """Return what is to serve; where there is no cache, the model serves without, as in Triton.

        contents: what the model is made of, if that is known.
        """
        if not model.config.uses_response_cache:
            return model
        if self._cache is None:
            _log.warning(
                "model '%s': response_cache has no effect without a cache; give the server --cache-config "
                "local,size=BYTES",
                model.name,
            )
            return model
        return CachedModel(model, self._cache, self._worker, contents)


class CachedModel:
    """One loaded version of a model that is not decoupled, and its share of the cache."""

    def __init__(self, model: ServedModel, cache: AnswerCache, worker: Worker, contents: bytes | None = None) -> None:
        """worker: for hashing long requests. contents: what the model is made of, if that is known."""
        self.name = model.name
        self.version = model.version
        self.config = model.config
        self.statistics = model.statistics
        self.labels = model.labels
        self.has_rows = model.has_rows
        self._model = model
        self._cache = cache
        self._worker = worker
        self._clock = cache.clock
        self._lingering = None if cache.is_shared else Lingering(cache.clock)
        """After a hit the loop stays awake for a moment, as after a run on it: the next request is soon to come."""
        self._keys = cache.keys(model, contents)
        self._kept: set[bytes] = set()
        """Keys of its answers that are in the cache, where that is known."""
        self._asking = 0
        """Requests that are being hashed or looked up, and that the model does not have yet."""
        self._waiter: asyncio.Future[None] | None = None
        """Done when none is any more."""

    @property
    def is_ready(self) -> bool:
        """See `ReportsReadiness`."""
        return can_answer(self._model)

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`."""
        if request.sequence is not None:
            self._model.submit(request, sender)
            return
        size = size_of(request)
        if size <= HASHED_BYTES:
            began_s = self._clock()
            try:
                key = self._keys.of(request)
            except NaiadError:  # about the inputs; the model has the words for it
                self._model.submit(request, sender)
                return
            self._asking += 1
            self._cache.look_up(key, partial(self._answer, request, sender, key, began_s))
            return
        self._asking += 1
        self._worker.submit(size, partial(self._timed_key, request, sender), partial(self._take_up, request, sender))

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        if self._asking:
            self._waiter = self._waiter or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._waiter)
        await self._model.drain()
        while self._kept:
            self._cache.forget(self._kept, _FORGOTTEN)
            await asyncio.sleep(0)

    def close(self) -> None:
        """See `ServedModel.close`."""
        if self._lingering is not None:
            self._lingering.stop()
        self._model.close()

    def _timed_key(self, request: InferRequest, sender: ResponseSender) -> tuple[bytes, float]:
        began_s = self._clock()
        key = b"" if sender.is_over else self._keys.of(request)
        return key, self._clock() - began_s

    def _take_up(self, request: InferRequest, sender: ResponseSender, hashed: tuple[bytes, float] | NaiadError) -> None:
        """Go on with a request that was hashed in a thread."""
        if isinstance(hashed, NaiadError):
            self._go_on(request, sender)
        elif sender.is_over:
            self._asked()
        else:
            key, hashing_s = hashed
            self._cache.look_up(key, partial(self._answer, request, sender, key, self._clock() - hashing_s))

    def _answer(
        self, request: InferRequest, sender: ResponseSender, key: bytes, began_s: float, kept: KeptAnswer | None
    ) -> None:
        """Answer from the cache, or have the model answer and keep that. began_s: when looking began."""
        took_s = self._clock() - began_s
        self._cache.statistics.lookup_s += took_s
        if kept is None:
            if not sender.is_over:
                sender.keep = partial(self._keep, key, took_s)
            self._go_on(request, sender)
            return
        self._asked()
        if sender.is_over:
            return
        if request.trace is not None:
            request.trace.mark("QUEUE_START", began_s)
        self.statistics.record_hit(took_s)
        sender.rows = 0  # nothing is inferred
        sender.send(kept.response())
        if self._lingering is not None:
            self._lingering.begin()

    def _go_on(self, request: InferRequest, sender: ResponseSender) -> None:
        """Hand the model a request that is not in the cache, unless it was withdrawn meanwhile."""
        try:
            if not sender.is_over:
                self._model.submit(request, sender)
        except NaiadError as error:
            sender.refuse(error)
        except Exception:  # noqa: BLE001 — nobody who asked is near any more, when an answer was looked up elsewhere
            _log.exception("a request of model '%s' could not be taken up", self.name)
            sender.refuse(Failed("internal error"))
        finally:
            self._asked()

    def _asked(self) -> None:
        self._asking -= 1
        if self._waiter is not None and not self._asking:
            self._waiter.set_result(None)
            self._waiter = None

    def _keep(self, key: bytes, lookup_s: float, response: InferResponse) -> None:
        """Keep an answer that is about to be given."""
        began_s = self._clock()
        try:
            self._cache.offer(key, response, self._kept)
        except NaiadError:
            return  # an output is not what it is declared to be; whoever writes the answer says so
        took_s = self._clock() - began_s
        self._cache.statistics.insertion_s += took_s
        self.statistics.record_miss(lookup_s + took_s)
