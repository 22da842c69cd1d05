"""One request under way: whoever answers it sends here, and whoever asked withdraws it here.

Every duty that is the same for all models is in this one place: answering exactly once (or many times, the last one
marked), the request's id and the model's version, classification, writing to the client's memory, statistics, the
trace, and cancellation. Models only compute; doors only write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import Cancelled, DeadlineExceeded, Failed, InvalidRequest, NaiadError, Overloaded
from naiad.core.message import Answer, Deliver, InferRequest, InferResponse
from naiad.observe.trace.tracing import Tracing
from naiad.serving.completing import complete, long_bytes, needs_completing
from naiad.serving.model import ServedModel
from naiad.serving.outbox import Outbox
from naiad.serving.worker import Worker

_log = logging.getLogger("naiad.serving")

WRONG_NUMBER = "expected a single response, got %d"
"""Triton's words, for a caller who can take exactly one answer."""


class ResponseSender:
    """Takes the answers of one request. Owned by the event loop's thread; the engine makes one for each request.

    A model sends one answer with `is_final` true. One whose `config.is_decoupled` is true may send any number, none
    included: the last of them is final, or None is, when it turns out only later that there are no more. Errors may
    stand between answers; the request goes on after them unless they are final. What is sent after that is ignored.
    """

    # Defaults stand on the class: most of them never change, and one of these is made for every request.
    is_over = False
    """The final answer has been given; what is sent now is ignored."""
    is_cancelled = False
    """Nobody waits for an answer any more; a model that is still at work may stop."""
    on_cancel: Callable[[], object] | None = None
    """Set by the model; called once, after `is_cancelled` is set, when the request is withdrawn unanswered."""
    rows = 1
    """Set by the model: batch elements of the request, for the statistics."""
    queue_s = 0.0
    """Set by the model: how long the request waited for an instance, for the statistics."""
    keep: Callable[[InferResponse], object] | None = None
    """Set by a cache; called with the answer if there is only one, before anything is done to it for this request."""
    _outbox: Outbox | None = None
    """Answers that are being completed in a thread, and those behind them."""
    _long_bytes = 0
    """Of the first of them; by its size all get the same thread, as they may go to the same place."""
    _passed_on = 0
    """Answers, but for an empty last one."""
    _first: Answer | None = None
    _since_s = 0.0

    def __init__(
        self,
        model: ServedModel,
        request: InferRequest,
        deliver: Deliver,
        tracing: Tracing,
        worker: Worker,
        *,
        takes_one: bool = True,
        clock: Clock = monotonic,
    ) -> None:
        """deliver: called with each answer. worker: does what takes long with an answer before that.

        takes_one: called once only; any other number of answers is an error.
        """
        self.model = model
        self.request = request
        self._deliver: Deliver | None = deliver
        self._tracing = tracing
        self._worker = worker
        self._takes_one = takes_one
        self._clock = clock
        self._is_decoupled = model.config.is_decoupled
        if self._is_decoupled:
            self._since_s = clock()

    def send(self, answer: Answer | None, is_final: bool = True, *, computed_s: float = 0.0) -> bool:
        """Send one answer; None with `is_final`: there are no more. Returns whether it went out as a response.

        computed_s: when the model had it, by the clock, for a decoupled model's statistics; 0 = now.
        """
        if self.is_over:
            return False
        if is_final:
            self.is_over = True
            self.on_cancel = None
        else:
            self.keep = None
        request = self.request
        if isinstance(answer, InferResponse):
            answer.id, answer.model_version = request.id, self.model.version
            if self.keep is not None:
                self._keep(answer)
            if (request.outputs or request.output_memory is not None) and needs_completing(request):
                if self._outbox is not None or long_bytes(request, answer):
                    self._complete_beside(answer, is_final, computed_s)
                    return True
                answer = complete(answer, request, self.model)
        if self._outbox is not None:
            self._outbox.put(partial(self._count, answer, is_final, computed_s))
        else:
            self._count(answer, is_final, computed_s)
        return isinstance(answer, InferResponse)

    def _count(self, answer: Answer | None, is_final: bool, computed_s: float) -> None:
        """Put an answer into the statistics and pass it on."""
        request, model = self.request, self.model
        if self._is_decoupled:
            self._send_counted(answer, is_final, computed_s)
        elif answer is None:
            self._pass_on(self._empty(), True)
        elif isinstance(answer, NaiadError):
            model.statistics.record_failure(failure_reason(answer), self._clock() - request.arrived_s)
            self._pass_on(_naming(answer, request), is_final)
        else:
            model.statistics.record_answer(self._clock() - request.arrived_s, self.queue_s, self.rows)
            self._pass_on(answer, is_final)

    def refuse(self, error: NaiadError) -> None:
        """Answer with an error that the model raised instead of taking the request up.

        As in Triton, a request that does not suit its model was never the model's: it is no failure of it.
        """
        if self.is_over:
            return
        self.is_over = True
        self.on_cancel = None  # or request and sender would keep each other until garbage is collected
        if not isinstance(error, InvalidRequest):
            self.model.statistics.record_failure(failure_reason(error), self._clock() - self.request.arrived_s)
        self._pass_on(_naming(error, self.request), True)

    def cancel(self) -> None:
        """Withdraw the request: it is answered with Cancelled at once, and the model is told. Too late = no effect."""
        outbox = self._outbox
        if self.is_over and (outbox is None or outbox.is_empty):
            return
        if outbox is not None:
            outbox.clear()
        self.is_cancelled = self.is_over = True
        on_cancel, self.on_cancel = self.on_cancel, None
        error = Cancelled("the request was cancelled")
        statistics = self.model.statistics
        if self._is_decoupled:
            statistics.record_response(self._passed_on, "cancel", self._clock() - self._since_s)
        else:
            statistics.record_failure(failure_reason(error), self._clock() - self.request.arrived_s)
        self._pass_on(error, True)
        if on_cancel is not None:
            on_cancel()

    def _keep(self, response: InferResponse) -> None:
        """Let the cache have it; a mistake of the cache's costs nobody an answer."""
        if self.keep is not None:
            try:
                self.keep(response)
            except Exception:  # noqa: BLE001 — see above
                _log.exception("an answer of model '%s' could not be kept", self.model.name)

    def _complete_beside(self, response: InferResponse, is_final: bool, computed_s: float) -> None:
        """Complete in a thread, then send; so all that come after the first that takes long, one after the other."""
        if self._outbox is None:
            self._outbox = Outbox(self._worker)
            self._long_bytes = long_bytes(self.request, response)
        do = partial(complete, response, self.request, self.model)
        self._outbox.put_long(self._long_bytes, do, lambda answer: self._count(answer, is_final, computed_s))

    def _send_counted(self, answer: Answer | None, is_final: bool, computed_s: float) -> None:
        """Pass on what a decoupled model sends; every answer is counted by its number."""
        statistics, number = self.model.statistics, self._passed_on
        if answer is None:
            statistics.record_response(number, "empty_response", self._clock() - self._since_s)
            self._pass_on(self._empty(), True)
            return
        computed_s = computed_s or self._clock()
        infer_s, self._since_s = computed_s - self._since_s, computed_s
        outcome = "fail" if isinstance(answer, NaiadError) else "success"
        self._pass_on(answer, is_final)
        now = self._clock()
        statistics.record_response(number, outcome, infer_s, now - computed_s)
        self._since_s = now

    def _empty(self) -> InferResponse:
        return InferResponse(self.request.model_name, "", [], self.request.id, is_empty=True)

    def _pass_on(self, answer: Answer, is_final: bool) -> None:
        """Hand an answer to the door, with the trace's moments around it.

        A mistake of the door's costs this request, not those of the same batch.
        """
        deliver, trace = self._deliver, self.request.trace
        if is_final:
            self._deliver = None  # or they would keep each other until garbage is collected
        if deliver is None:
            return
        if trace is not None:
            self._tracing.note_answer(trace, answer, is_final)
        if not isinstance(answer, InferResponse) or not answer.is_empty:
            self._passed_on += 1
        if self._takes_one and (not is_final or self._passed_on != 1 or self._first is not None):
            self._first = self._first or answer
            if not is_final:
                deliver = _nowhere
            answer = (
                self._first
                if self._passed_on == 1
                else Failed(WRONG_NUMBER % self._passed_on, responses=self._passed_on)
            )
        try:
            deliver(answer, is_final)
        except Exception:  # noqa: BLE001 — see above
            _log.exception("an answer of model '%s' could not be delivered", self.model.name)
            self._deliver, self.is_over = None, True
            on_cancel, self.on_cancel = self.on_cancel, None
            _deliver_failure(deliver)
            if on_cancel is not None:
                self.is_cancelled = True
                on_cancel()
        if trace is not None:
            self._tracing.note_sent(trace, is_final)


def _nowhere(answer: Answer, is_final: bool) -> None:
    """Hold an answer back, because the caller takes only one."""


def _deliver_failure(deliver: Deliver) -> None:
    try:
        deliver(Failed("internal error"), True)
    except Exception:  # noqa: BLE001 — see `_pass_on`
        _log.exception("the failure could not be delivered either")


def _naming(error: NaiadError, request: InferRequest) -> NaiadError:
    """Return the error; a full queue's, which knows no requests, with the request's id before it, as in Triton."""
    if isinstance(error, Overloaded) and not error.message.startswith(request.mark):
        return type(error)(request.mark + error.message, **error.detail)
    return error


def failure_reason(error: NaiadError) -> str:
    """Return the label `reason` of the metric `nv_inference_request_failure`: REJECTED, CANCELED, BACKEND or OTHER."""
    if isinstance(error, Cancelled):
        return "CANCELED"
    if isinstance(error, Overloaded | DeadlineExceeded):
        return "REJECTED"
    if isinstance(error, Failed):
        return "BACKEND"
    return "OTHER"
