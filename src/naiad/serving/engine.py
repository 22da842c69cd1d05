"""The one entry for every door: find the model, hand the request over, answer exactly once.

Owned by the event loop's thread. Ensembles and in-process callers use the same two steps: `route`, then `submit`.
"""

from __future__ import annotations

import asyncio

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import NaiadError, NotReady
from naiad.core.message import Answer, Deliver, InferRequest, InferResponse
from naiad.observe.load import LoadMeter
from naiad.observe.trace.tracing import Tracing
from naiad.serving.catalog import Catalog
from naiad.serving.ensemble.order import dependents_first
from naiad.serving.model import ServedModel
from naiad.serving.response_sender import ResponseSender
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.serving.worker import Worker


class Engine:
    """Submits requests to the models of a catalog."""

    def __init__(self, catalog: Catalog, clock: Clock = monotonic, memory: SharedMemory | None = None) -> None:
        """memory: the regions that requests may point into; default: they may not."""
        self.catalog = catalog
        self.memory = memory or SharedMemory()
        self.worker = Worker()
        """For what takes long with the bodies of requests and answers."""
        self.clock = clock
        self.is_stopping = False
        """New requests are refused."""
        self.load = LoadMeter(lambda: (model.statistics for model in catalog.models()), clock)
        """How busy all models together are."""
        self.tracing = Tracing(knows=self.serves)
        """What is noted of requests: nothing, unless the server has put its own here."""

    def serves(self, model: str) -> bool:
        """Whether any version of a model can answer. Raises NotReady where no model can be asked for."""
        self.catalog.check()
        return bool(self.catalog.ready_versions(model))

    def route(self, name: str, version: str = "", *, was_accepted: bool = False) -> ServedModel:
        """Decide which model answers a request: before anything of it is decoded, and anew if decoding takes turns.

        was_accepted: it came before the server was told to stop. Raises NotFound, NotReady, InvalidRequest for a
        version that is no number.
        """
        if self.is_stopping and not was_accepted:
            raise NotReady("Server exiting")
        if not version and (model := self.catalog.latest.get(name)) is not None:
            return model
        return self.catalog.find(name, version)

    def submit(
        self, model: ServedModel, request: InferRequest, deliver: Deliver, *, takes_one: bool = True
    ) -> ResponseSender:
        """Send a request on its way to the model that `route` gave; the result withdraws it.

        `deliver` is called on the loop's thread with each answer and whether it is the last, possibly before this
        returns; errors arrive there too. takes_one: for callers who can take only one answer; it is then called once.
        """
        if not request.arrived_s:
            request.arrived_s = self.clock()
        sender = ResponseSender(
            model, request, deliver, self.tracing, self.worker, takes_one=takes_one, clock=self.clock
        )
        try:
            model.submit(request, sender)
        except NaiadError as error:
            sender.refuse(error)
        return sender

    async def infer(self, request: InferRequest, model: ServedModel | None = None) -> InferResponse:
        """Run one request and return its one answer; cancelling the await withdraws it. Raises NaiadError.

        model: what `route` gave, for who has asked already; default: it is asked here.
        """
        model = model or self.route(request.model_name, request.model_version)
        future: asyncio.Future[InferResponse] = asyncio.get_running_loop().create_future()

        def deliver(answer: Answer, is_final: bool) -> None:
            assert is_final
            if future.done():
                return
            if isinstance(answer, NaiadError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        sender = self.submit(model, request, deliver)
        try:
            return await future
        except asyncio.CancelledError:
            sender.cancel()
            raise

    async def drain(self) -> None:
        """Refuse new requests; return when all others have been answered."""
        await self.worker.settled()  # bodies that have come and have no model yet
        self.is_stopping = True
        await self.worker.quiet()  # requests that are being read
        for model in dependents_first(list(self.catalog.models())):
            await model.drain()
        await self.worker.quiet()  # answers that are being written
