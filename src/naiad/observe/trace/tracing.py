"""Tracing of one server: picks requests, notes what the doors and answers tell, and hands finished traces on.

Everything runs on the event loop's thread; a door asks `is_on` for each request, and nothing else while it is off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.core.errors import InvalidRequest, NaiadError
from naiad.core.message import Answer, InferRequest
from naiad.core.tensor import Tensor
from naiad.core.trace import Caller, Trace, TracedDoor
from naiad.observe.logs.setting_changes import check_may_change
from naiad.observe.trace.options import TraceOptions
from naiad.observe.trace.sampling import Rules, Sampler, Samplers
from naiad.observe.trace.settings import Change
from naiad.observe.trace.spans import Spans
from naiad.observe.trace.triton_json import TritonFiles
from naiad.observe.trace.writer import Sink, TraceWriter

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, "traceparent Header Field Values", version 00; later versions begin alike."""


def read_caller(traceparent: str | None, tracestate: str | None) -> Caller | None:
    """Return the caller's trace from its headers; None where there is none, or it makes no sense."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return None
    return Caller(traceparent, tracestate or "")


class Tracing:
    """What is traced, and the settings that the network may read and change."""

    def __init__(
        self,
        options: TraceOptions | None = None,
        knows: Callable[[str], bool] = lambda _: True,
        *,
        may_change: bool = False,
        sink: Sink | None = None,
        clock: Clock = monotonic,
    ) -> None:
        """knows: whether a model is served; requests for others are not traced. sink: default: what the options say.

        may_change: whether clients may change the settings.
        Raises InvalidConfiguration where the mode needs what is not installed.
        """
        self._options = options = options or TraceOptions()
        self._knows = knows
        self._may_change = may_change
        self._clock = clock
        self._samplers = Samplers(options.values, Rules(options.makes_spans, bool(options.file)))
        self._writer: TraceWriter | None = None
        if options.makes_spans or options.file:
            self._writer = TraceWriter(sink or _sink(options))
        self._last_id = 0
        self.is_on = False
        """Whether any request may be traced."""
        self._refresh()

    # settings

    def settings(self, model: str = "") -> dict[str, Any]:
        """Return the settings of a model or (empty name) the server. Raises InvalidRequest for an unknown model."""
        self._check_known(model)
        options, sampler = self._options, self._samplers.of(model)
        document = replace(sampler.values, count=sampler.left).document()
        if options.makes_spans:
            del document["log_frequency"]
            return {**document, "trace_mode": options.mode, **options.spans.document()}
        return {**document, "trace_file": options.file, "trace_mode": options.mode}

    def change(self, model: str, change: Change) -> dict[str, Any]:
        """Change settings and return all of them. Raises InvalidRequest, Unsupported; then nothing has changed."""
        self._check_known(model)
        check_may_change("trace", change, self._may_change)
        if change:
            for sampler in self._samplers.change(model, change):
                self._release_if_done(sampler)
            self._refresh()
        return self.settings(model)

    # requests

    def follow(
        self,
        request: InferRequest,
        door: TracedDoor,
        caller: Caller | None = None,
        begun_s: float = 0.0,
    ) -> None:
        """Trace a request if it is picked: it then carries a trace, which takes note of its answers.

        To be called when the request has been read, and only while `is_on`. begun_s: when its first byte came;
        0 = with the last.
        """
        if not self._options.makes_spans:
            caller = None
        sampler = self._pick(request.model_name, caller)
        if sampler is None:
            return
        request.trace = trace = self._begin(request, door, caller, begun_s)
        trace.sending, trace.sampler = door.value[1], sampler
        self._enter(request, trace, self._clock())

    def follow_step(self, request: InferRequest, parent: Trace) -> None:
        """Trace a request that an ensemble makes for one that is traced: always, and as a part of it."""
        sampler: Sampler = parent.sampler
        sampler.under_way += 1
        self._last_id += 1
        trace = Trace(self._last_id, request.model_name, request.model_version, request.id, parent_id=parent.id)
        request.trace, trace.sampler = trace, sampler
        self._enter(request, trace, request.arrived_s or self._clock())

    def note_answer(self, trace: Trace, answer: Answer, is_final: bool) -> None:
        """Note an answer of a traced request that is about to be given to its door."""
        now = self._clock()
        if isinstance(answer, NaiadError):
            trace.error = answer.message
        elif not answer.is_empty:
            trace.model_version = answer.model_version
            trace.mark("INFER_RESPONSE_COMPLETE", now)
            if self._keeps_tensors(trace.sampler):
                trace.tensors += [("TENSOR_BACKEND_OUTPUT", _copied(tensor)) for tensor in answer.outputs]
        if is_final:
            trace.mark("REQUEST_END", now)
        if trace.sending:
            trace.mark(f"{trace.sending}_START", self._clock())

    def note_sent(self, trace: Trace, is_final: bool) -> None:
        """Note that the door has taken the answer; after the final one the trace is handed on."""
        if trace.sending:
            trace.mark(f"{trace.sending}_END", self._clock())
        if is_final:
            self._finish(trace.sampler, trace)

    def note_unreadable(self, request: InferRequest, door: TracedDoor, begun_s: float, error: NaiadError) -> None:
        """Trace a request of which only the model and its arrival are known, if it is picked; only while `is_on`."""
        sampler = self._pick(request.model_name, None)
        if sampler is not None:
            trace = self._begin(request, door, None, begun_s)
            trace.error = error.message
            self._finish(sampler, trace)

    def flush(self) -> bool:
        """Wait until every finished trace is written; returns whether that was in time. Not for the loop's thread."""
        return self._writer is None or self._writer.flush()

    def close(self) -> None:
        """Write what is left; blocks, for a few seconds at most."""
        self.is_on = False
        if self._writer is not None:
            self._writer.close()

    def _pick(self, model: str, caller: Caller | None) -> Sampler | None:
        """Return the sampler that wants the next request traced, which counts it; None: it is not to be traced."""
        sampler = self._samplers.of(model)
        if caller is not None and not caller.is_sampled:
            return None  # the caller has decided for the whole of its trace
        if not self._knows(model) or not sampler.try_pick(is_wanted=caller is not None):
            return None
        if not sampler.is_live:
            self._refresh()
        sampler.under_way += 1
        return sampler

    def _begin(self, request: InferRequest, door: TracedDoor, caller: Caller | None, begun_s: float) -> Trace:
        self._last_id += 1
        trace = Trace(self._last_id, request.model_name, request.model_version, request.id, caller)
        ended_s, reading = request.arrived_s or self._clock(), door.value[0]
        trace.mark(f"{reading}_START", begun_s or ended_s)
        trace.mark(f"{reading}_END", ended_s)
        return trace

    def _enter(self, request: InferRequest, trace: Trace, now_s: float) -> None:
        """Note that a request goes to its model."""
        trace.mark("REQUEST_START", now_s)
        if self._keeps_tensors(trace.sampler):
            trace.tensors = [("TENSOR_QUEUE_INPUT", _copied(tensor)) for tensor in request.inputs.values()]

    def _finish(self, sampler: Sampler, trace: Trace) -> None:
        """Hand a trace on; its request has been answered."""
        sampler.under_way -= 1
        assert self._writer is not None
        self._writer.put(sampler, trace)
        self._release_if_done(sampler)

    def _keeps_tensors(self, sampler: Sampler) -> bool:
        return "TENSORS" in sampler.values.level and not self._options.makes_spans

    def _release_if_done(self, sampler: Sampler) -> None:
        if self._writer is not None and sampler.is_done:
            self._writer.release(sampler)

    def _refresh(self) -> None:
        wants_callers = self._options.makes_spans and any(sampler.values.level for sampler in self._samplers.all())
        self.is_on = self._samplers.is_live or wants_callers

    def _check_known(self, model: str) -> None:
        if model and not self._knows(model):
            raise InvalidRequest(f"Request for unknown model : {model}")


def _copied(tensor: Tensor) -> Tensor:
    """Return a tensor that nobody else will change: its data may lie in memory that a client shares."""
    return Tensor(tensor.name, tensor.datatype, tensor.data.copy())


def _sink(options: TraceOptions) -> Sink:
    return Spans(options.spans) if options.makes_spans else TritonFiles(Path(options.file))
