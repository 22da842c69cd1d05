"""The one entry for every door: find the model, hand the request over, answer exactly once.

Owned by the event loop's thread. Ensembles and in-process callers use the same two functions.
"""

from __future__ import annotations

import asyncio

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import InvalidRequest, NaiadError, NotReady, Unsupported
from naiad.core.message import Answer, InferRequest, InferResponse, Respond
from naiad.observe.trace.tracing import Tracing
from naiad.serving.catalog import Catalog
from naiad.serving.failures import failure_reason, naming_request
from naiad.serving.model import Cancel
from naiad.serving.shared_memory.delivery import Delivery
from naiad.serving.shared_memory.registry import SharedMemory
from naiad.serving.single import SingleAnswer


class Engine:
    """Submits requests to the models of a catalog."""

    def __init__(self, catalog: Catalog, clock: Clock = monotonic, memory: SharedMemory | None = None) -> None:
        """memory: the regions that requests may point into; default: they may not."""
        self.catalog = catalog
        self.memory = memory or SharedMemory()
        self._clock = clock
        self._is_stopping = False
        self.tracing = Tracing(knows=self.serves)
        """What the doors note of requests: nothing, unless the server has put its own here."""

    @property
    def is_stopping(self) -> bool:
        """Whether new requests are refused."""
        return self._is_stopping

    def serves(self, model: str) -> bool:
        """Whether any version of a model can answer."""
        return bool(self.catalog.ready_versions(model))

    def submit(self, request: InferRequest, respond: Respond) -> Cancel:
        """Send a request on its way.

        `respond` is called on the loop's thread with each answer and whether it is the last, possibly before this
        returns; errors arrive there too. The result withdraws the request.
        """
        if request.places is not None and not isinstance(respond, Delivery):
            return Delivery(request.places, respond).submit(self.submit, request)
        if not request.arrived_s:
            request.arrived_s = self._clock()
        try:
            if self._is_stopping:
                raise NotReady("Server exiting")
            model = self.catalog.find(request.model_name, request.model_version)
        except NaiadError as error:
            respond(error, True)
            return _too_late
        try:
            return model.submit(request, respond)
        except NaiadError as error:
            # As in Triton, a request that does not suit its model was never the model's: it is no failure of it.
            if not isinstance(error, InvalidRequest):
                model.statistics.record_failure(failure_reason(error), self._clock() - request.arrived_s)
            respond(naming_request(error, request), True)
            return _too_late

    def is_decoupled(self, model: str, version: str) -> bool:
        """Whether a request to this model may have any number of answers; False where `submit` would refuse it."""
        try:
            return self.catalog.find(model, version).config.is_decoupled
        except NaiadError:
            return False

    def first_error(self, error: NaiadError, model: str, version: str) -> NaiadError:
        """Return what is said of a request that cannot be read: that there is no such model comes first."""
        try:
            self.catalog.find(model, version)
        except NaiadError as unknown:
            return unknown
        return error

    def refuse_decoupled(self, model: str, version: str, message: str) -> None:
        """Raise Unsupported with the message for a decoupled model, for a door that takes one answer only."""
        if self.is_decoupled(model, version):
            raise Unsupported(message, model=model)

    async def infer(self, request: InferRequest) -> InferResponse:
        """Run one request and return its one answer; cancelling the await withdraws it. Raises NaiadError."""
        future: asyncio.Future[InferResponse] = asyncio.get_running_loop().create_future()
        single = SingleAnswer()

        def respond(answer: Answer, is_last: bool) -> None:
            one = single.take(answer, is_last)
            if one is None or future.done():
                return
            if isinstance(one, NaiadError):
                future.set_exception(one)
            else:
                future.set_result(one)

        cancel = self.submit(request, respond)
        try:
            return await future
        except asyncio.CancelledError:
            cancel()
            raise

    async def drain(self) -> None:
        """Refuse new requests; return when all others have been answered."""
        self._is_stopping = True
        for model in list(self.catalog.models()):
            await model.drain()


def _too_late() -> bool:
    return False
