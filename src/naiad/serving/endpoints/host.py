"""The server as an endpoint's workers see it: as other models' code does, but what goes to its model is noted."""

from __future__ import annotations

from collections.abc import Callable

from naiad.core.message import Answer, Deliver, InferRequest
from naiad.core.model.host import ModelHost
from naiad.core.trace import Trace
from naiad.observe.starvation import Starvation


class EndpointHost:
    """A `ModelHost` in front of another."""

    def __init__(self, host: ModelHost, model: str, version: str, starvation: Starvation) -> None:
        """model, version: what the endpoint runs on; empty: nothing of the server's."""
        self.metrics = host.metrics
        self.load, self.unload, self.is_ready = host.load, host.unload, host.is_ready
        self.describe, self.room = host.describe, host.room
        self._host = host
        self._model = model
        self._version = version
        self._starvation = starvation

    @property
    def model_room(self) -> int:
        """Runs that the endpoint's model can have at a time, as it is loaded now; on the event loop's thread."""
        return self._host.room(self._model, self._version) if self._model else 1

    def infer(
        self, request: InferRequest, deliver: Deliver, parent: Trace | None, *, takes_one: bool
    ) -> Callable[[], None]:
        """See `ModelHost.infer`."""
        if request.model_name != self._model:
            return self._host.infer(request, deliver, parent, takes_one=takes_one)
        self._starvation.entered()

        def note(answer: Answer, is_final: bool) -> None:
            if is_final:
                self._starvation.left()
            deliver(answer, is_final)

        try:
            return self._host.infer(request, note, parent, takes_one=takes_one)
        except BaseException:
            self._starvation.left()
            raise
