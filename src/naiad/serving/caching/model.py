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
from itertools import count

from naiad.core.errors import NaiadError
from naiad.core.message import InferRequest, InferResponse
from naiad.serving.caching.key import Keys, size_of
from naiad.serving.caching.store import ResponseCache, keep
from naiad.serving.caching.store import size_of as answer_size_of
from naiad.serving.model import ServedModel
from naiad.serving.response_sender import ResponseSender
from naiad.serving.worker import Worker

HASHED_BYTES = 256 * 1024
"""Requests up to here are hashed on the loop, in half a millisecond; longer ones in a thread."""

_FORGOTTEN = 1024
"""Answers that are dropped in one turn of the event loop."""

_copies = count(1)

_log = logging.getLogger("naiad.serving")


def cached(model: ServedModel, cache: ResponseCache | None, worker: Worker) -> ServedModel:
    """Put the cache in front of a model that asks for it; where there is none, the model serves without, as in Triton.

    worker: for hashing long requests.
    """
    if not model.config.uses_response_cache:
        return model
    if cache is None:
        _log.warning(
            "model '%s': response_cache has no effect without a cache; give the server --cache-config local,size=BYTES",
            model.name,
        )
        return model
    return CachedModel(model, cache, worker)


class CachedModel:
    """One loaded version of a model that is not decoupled, and its share of the cache."""

    def __init__(self, model: ServedModel, cache: ResponseCache, worker: Worker) -> None:
        """worker: for hashing long requests."""
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
        self._keys = Keys(model.name, model.version, next(_copies))
        self._kept: set[bytes] = set()
        """Keys of the answers that are in the cache."""
        self._hashing = 0
        self._hashed = asyncio.Event()
        """Set when no request is being hashed."""

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
            self._answer(request, sender, key, self._clock() - began_s)
            return
        self._hashing += 1
        self._worker.submit(size, partial(self._timed_key, request, sender), partial(self._take_up, request, sender))

    async def drain(self) -> None:
        """See `ServedModel.drain`."""
        while self._hashing:
            self._hashed.clear()
            await self._hashed.wait()
        await self._model.drain()
        while self._kept:
            self._cache.forget(self._kept, _FORGOTTEN)
            await asyncio.sleep(0)

    def close(self) -> None:
        """See `ServedModel.close`."""
        self._model.close()

    def _timed_key(self, request: InferRequest, sender: ResponseSender) -> tuple[bytes, float]:
        began_s = self._clock()
        key = b"" if sender.is_over else self._keys.of(request)
        return key, self._clock() - began_s

    def _take_up(self, request: InferRequest, sender: ResponseSender, hashed: tuple[bytes, float] | NaiadError) -> None:
        """Go on with a request that was hashed in a thread."""
        self._hashing -= 1
        if not self._hashing:
            self._hashed.set()
        if sender.is_over:
            return
        try:
            if isinstance(hashed, NaiadError):
                self._model.submit(request, sender)
            else:
                self._answer(request, sender, *hashed)
        except NaiadError as error:
            sender.refuse(error)

    def _answer(self, request: InferRequest, sender: ResponseSender, key: bytes, hashing_s: float) -> None:
        """Answer from the cache, or have the model answer and keep that."""
        began_s = self._clock()
        kept = self._cache.find(key)
        took_s = hashing_s + self._clock() - began_s
        self._cache.statistics.lookup_s += took_s
        if kept is None:
            sender.keep = partial(self._keep, key, took_s)
            self._model.submit(request, sender)
            return
        if request.trace is not None:
            request.trace.mark("QUEUE_START", began_s)
        self.statistics.record_hit(took_s)
        sender.rows = 0  # nothing is inferred
        sender.send(kept.response())

    def _keep(self, key: bytes, lookup_s: float, response: InferResponse) -> None:
        """Keep an answer that is about to be given."""
        began_s = self._clock()
        try:
            size = answer_size_of(response)
            if self._cache.can_hold(size):
                self._cache.insert(key, keep(response, size), self._kept)
        except NaiadError:
            return  # an output is not what it is declared to be; whoever writes the answer says so
        took_s = self._clock() - began_s
        self._cache.statistics.insertion_s += took_s
        self.statistics.record_miss(lookup_s + took_s)
