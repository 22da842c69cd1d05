"""An endpoint as a model: bytes in, bytes out, with an account of where its requests are."""

from __future__ import annotations

from typing import Any

from naiad.core.contracts import Instances
from naiad.core.errors import InvalidRequest
from naiad.core.message import InferRequest
from naiad.core.model.config import ModelConfig
from naiad.core.user_code.endpoint import BETWEEN, CHAIN, Endpoint
from naiad.observe.starvation import Starvation
from naiad.observe.statistics import ModelStatistics
from naiad.scheduling.contract import Job
from naiad.serving.endpoints.host import EndpointHost
from naiad.serving.endpoints.series import Series
from naiad.serving.response_sender import ResponseSender
from naiad.serving.tensor_model import TensorModel


class EndpointModel(TensorModel):
    """One loaded version of an endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        config: ModelConfig,
        version: str,
        instances: Instances[InferRequest],
        *,
        statistics: ModelStatistics,
        starvation: Starvation,
        series: Series,
        host: EndpointHost,
        **settings: Any,
    ) -> None:
        """settings: of TensorModel."""
        super().__init__(config, version, instances, statistics=statistics, **settings)
        self.endpoint = endpoint
        self._starvation = starvation
        self._series = series
        self._host = host
        self._open: set[ResponseSender] = set()
        statistics.preprocess = self._times
        statistics.starved = starvation.share if endpoint.model else None

    def submit(self, request: InferRequest, sender: ResponseSender) -> None:
        """See `ServedModel.submit`. Raises InvalidRequest where its own hooks led to the request."""
        self._check_chain(request)
        self._begin(sender)
        try:
            super().submit(request, sender)
        except BaseException:
            self._end(sender)
            raise
        cancel = sender.on_cancel
        if cancel is not None:

            def on_cancel() -> None:
                self._end(sender)
                cancel()

            sender.on_cancel = on_cancel

    def close(self) -> None:
        """See `ServedModel.close`."""
        super().close()
        self._series.close()

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        if is_final:
            self._end(job.owner)
        super()._done(job, result, is_final)

    def _begin(self, sender: ResponseSender) -> None:
        self._open.add(sender)
        self._starvation.came()

    def _end(self, sender: ResponseSender) -> None:
        if sender in self._open:
            self._open.discard(sender)
            self._starvation.went()

    def _times(self) -> Any:
        self._starvation.room = self._host.model_room
        return self._starvation.times()

    def _check_chain(self, request: InferRequest) -> None:
        chain = str(request.parameters.get(CHAIN) or "")
        if chain and self.endpoint.url in chain.split(BETWEEN):
            raise InvalidRequest(
                f"endpoint '{self.endpoint.url}' would wait for itself: {chain}{BETWEEN}{self.endpoint.url}"
            )
