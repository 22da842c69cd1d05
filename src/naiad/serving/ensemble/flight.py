"""One request under way through an ensemble: hands ready steps to their models, and answers once, whatever happens.

Steps go the way of every request, so that their models join them with requests from elsewhere, keep their answers,
bound their queues and count them. Owned by the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from naiad.core.errors import InvalidRequest, NaiadError
from naiad.core.message import Answer, InferRequest, InferResponse
from naiad.observe.statistics import StepTimes
from naiad.serving.ensemble.limits import Flows, StepLimit
from naiad.serving.ensemble.plan import Plan
from naiad.serving.ensemble.progress import Complete, Progress, Run
from naiad.serving.ensemble.sequence import read_sequence, written_sequence
from naiad.serving.model import ServedModel
from naiad.serving.response_sender import ResponseSender

if TYPE_CHECKING:
    from naiad.serving.engine import Engine


_DEADLOCK = "unexpected deadlock, at least one output is not set while no more ensemble steps can be made"

Error = TypeVar("Error", bound=NaiadError)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What all requests of an ensemble share; sequences are by step."""

    plan: Plan
    parts: Sequence[ServedModel]
    engine: Engine
    limits: Sequence[StepLimit]
    """None: runs are not limited."""
    behind: Sequence[frozenset[int] | None]
    """See `limits.steps_behind`."""
    times: Sequence[StepTimes]


class Flight:
    """One request, and the runs that are under way for it."""

    __slots__ = (
        "_ensemble",
        "_flows",
        "_is_driving",
        "_now_s",
        "_open",
        "_progress",
        "ended",
        "request",
        "sender",
        "stages_s",
    )

    def __init__(
        self,
        ensemble: Loaded,
        request: InferRequest,
        sender: ResponseSender,
        ended: Callable[[Flight, Answer | None], object],
    ) -> None:
        """ended: called once, before the last answer is given, with that answer.

        With None where there is none, or where the request was withdrawn.
        """
        self._ensemble = ensemble
        self._progress = Progress(ensemble.plan, ensemble.plan.route(request.outputs), request.parameters)
        self._open: dict[Run, ResponseSender | None] = {}
        """Runs that have begun and not ended."""
        self._is_driving = False
        self._now_s = request.arrived_s
        """When what is being done began."""
        self._flows: Flows | None = None
        if ensemble.limits or request.flow is not None:
            self._flows = Flows(ensemble.behind, self._open, request.flow)
        self.request = request
        self.sender = sender
        self.ended: Callable[[Flight, Answer | None], object] | None = ended
        self.stages_s = [0.0, 0.0, 0.0]
        """Seconds that the models took for inputs, runs and outputs, summed up over all steps."""

    def begin(self) -> None:
        """Start the steps that need nothing but the request."""
        try:
            self._progress.begin(self.request.inputs)
        except InvalidRequest as error:
            self._finish(self._naming(error, ""))
            return
        self._drive()

    def cancel(self) -> None:
        """End everything that is under way; the request has been answered."""
        self._end(None)

    def _drive(self) -> None:
        """Start what can start, one after the other however deep answers come back; then answer as far as possible."""
        if self._is_driving:
            return
        self._is_driving = True
        ready = self._progress.ready
        limits = self._ensemble.limits
        while ready and self.ended is not None:
            run = ready.popleft()
            self._open[run] = None
            run.began_s = self._now_s
            if not limits or limits[run.step].try_take(partial(self._start_late, run)):
                self._start(run)
            elif self._flows is not None:
                self._flows.hold(run)
        self._is_driving = False
        if self.ended is not None and (self._progress.complete or not self._open):
            self._answer()
        if self._flows is not None:
            self._flows.let()

    def _start_late(self, run: Run) -> bool:
        """Start a run that has waited for others of its step; returns whether it is still wanted."""
        if self.ended is None:
            return False
        assert self._flows is not None  # there are limits
        self._flows.release(run)
        self._now_s = self._ensemble.engine.clock()
        self._ensemble.times[run.step].waits.add(self._now_s - run.began_s)
        run.began_s = self._now_s
        self._start(run)
        self._flows.let()
        return True

    def _start(self, run: Run) -> None:
        ensemble, asked = self._ensemble, self.request
        step, part = ensemble.plan.steps[run.step], ensemble.parts[run.step]
        request = InferRequest(
            part.name,
            part.version,
            asked.id,
            run.inputs,
            step.asks,
            asked.parameters,
            asked.priority,
            asked.timeout_us,
            run.began_s,
            sequence=run.sequence or asked.sequence,
            stages_s=self.stages_s,
        )
        if asked.trace is not None:
            self._ensemble.engine.tracing.follow_step(request, asked.trace)
        if self._flows is not None:
            request.flow = self._flows.begin(run)
        deliver = partial(self._answered, run)
        sender = self._ensemble.engine.submit(part, request, deliver, takes_one=not step.is_decoupled)
        if run in self._open:
            self._open[run] = sender

    def _answered(self, run: Run, answer: Answer, is_final: bool) -> None:
        """Take an answer of a step."""
        self._now_s = self._ensemble.engine.clock()
        if is_final and run in self._open:
            del self._open[run]
            self._ensemble.times[run.step].runs.add(self._now_s - run.began_s)
            if self._ensemble.limits:
                self._ensemble.limits[run.step].give_back()
        if self.ended is None:
            return
        if self._flows is not None:
            self._flows.came(run, is_final=is_final)
        if isinstance(answer, NaiadError):
            self._fail(run, answer)
            return
        try:
            sequence = None
            if answer.parameters:
                sequence = read_sequence(answer.parameters, run.sequence or self.request.sequence)
            if not answer.is_empty:
                self._progress.answered(run, answer.outputs, sequence)
        except InvalidRequest as error:
            self._fail(run, error)
            return
        self._drive()

    def _answer(self) -> None:
        """Give the answers that are complete; the last one is marked if nothing more can come."""
        complete, is_last = self._progress.complete, not self._open
        if not self._ensemble.plan.is_decoupled:
            if complete:
                self._finish(self._response(complete.popleft()))
            elif is_last:
                self._finish(self._naming(InvalidRequest(self.request.mark + _DEADLOCK), ""))
            return
        while complete:
            one = complete.popleft()
            if one.skipped and not one.outputs:
                continue
            response = self._response(one)
            if (is_last and not complete) or isinstance(response, NaiadError):
                self._finish(response)
                return
            if self._flows is not None:
                self._flows.passed_on()
            self.sender.send(response, False)
        if is_last and self.ended is not None:
            self._finish(None)

    def _response(self, complete: Complete) -> InferResponse | InvalidRequest:
        """Make an answer; an error where an output is asked for by name, or nothing is left, because of conditions."""
        asked = {output.name for output in self.request.outputs} if complete.skipped else ()
        for name, step in complete.skipped.items():
            if name in asked or not complete.outputs:
                planned = self._ensemble.plan.steps[step]
                reason = f"{self.request.mark}output '{name}' was not made, because step {step}, model "
                reason += f"'{planned.model}', runs only when {planned.when}"
                return self._naming(InvalidRequest(reason, tensor=name), "")
        parameters = written_sequence(complete.sequence or self.request.sequence) if complete.outputs else {}
        return InferResponse(self.request.model_name, "", complete.outputs, parameters=parameters)

    def _fail(self, run: Run, error: NaiadError) -> None:
        """Answer with the error of a step, which names the ensemble and the step's model."""
        model = self._ensemble.plan.steps[run.step].model
        self._finish(
            self._naming(error, "" if f"'{model}'" in error.message else f" (step {run.step}: model '{model}')")
        )

    def _naming(self, error: Error, where: str) -> Error:
        return type(error)(f"in ensemble '{self._ensemble.plan.name}', {error.message}{where}", **error.detail)

    def _finish(self, answer: Answer | None) -> None:
        sender = self.sender
        self._end(answer)
        sender.send(answer)

    def _end(self, answer: Answer | None) -> None:
        """Withdraw what is still under way."""
        ended, self.ended = self.ended, None
        if ended is None:
            return
        ended(self, answer)
        if self._flows is not None:
            self._flows.end()
        self._progress.ready.clear()
        for sender in list(self._open.values()):
            if sender is not None:
                sender.cancel()
