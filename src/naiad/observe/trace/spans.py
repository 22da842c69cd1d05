"""Traces as OpenTelemetry spans, by the official SDK; the only file that imports it (extra `naiad[otel]`).

Three spans for a request, with Triton's names: InferRequest (reading and sending), the model's (from the engine to the
answer), and `compute` (the run). The steps of an ensemble have the latter two, below the ensemble's. They are made
after the fact, from the moments noted, in the writer's thread; a step's, which ends first, waits for its ensemble's.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from naiad.core.errors import InvalidConfiguration
from naiad.core.trace import Trace
from naiad.observe.trace.options import SpanOptions
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.triton_json import NS, model_version
from naiad.observe.trace.writer import Picked

_MODEL = ("REQUEST_START", "QUEUE_START", "REQUEST_END")
_COMPUTE = ("COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")

_MOST_PARENTS = 4096
"""Traces that steps may still come for, or for which steps wait."""

Event = tuple[str, int]
"""Name and nanoseconds since the epoch."""


class Spans:
    """The sink of OpenTelemetry's mode."""

    def __init__(self, options: SpanOptions, exporter: Any = None, patience_s: float = 3.0) -> None:
        """exporter: the SDK's; default: OTLP over HTTP. patience_s: with a collector that does not answer, at the end.

        Raises InvalidConfiguration where the SDK is not installed.
        """
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        except ImportError as error:
            raise InvalidConfiguration(
                "--trace-config mode=opentelemetry needs OpenTelemetry's SDK: pip install 'naiad[otel]'"
            ) from error
        batching = options.batching
        self._patience_s = patience_s
        self._exporter = exporter or _exporter(options.url)
        processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=batching["bsp_max_queue_size"],
            schedule_delay_millis=batching["bsp_schedule_delay"],
            max_export_batch_size=batching["bsp_max_export_batch_size"],
        )
        attributes = dict(one.split("=", 1) for one in options.resource)
        # What is traced has been decided before; the SDK takes all of it.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": "naiad"} | attributes),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("naiad")
        self._parents: OrderedDict[int, Any] = OrderedDict()
        """By number of a trace, the context for what is below it; of the last ones."""
        self._waiting: dict[int, list[Trace]] = {}
        """Steps whose ensemble's trace has not come, by its number."""
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()

    def write(self, traces: Sequence[Picked]) -> None:
        """See `Sink.write`."""
        for sampler, trace in traces:
            if "TIMESTAMPS" in sampler.values.level and trace.moments:
                self._take(trace)

    def release(self, sampler: Sampler) -> None:
        """See `Sink.release`; nothing is kept back here."""

    def close(self) -> None:
        """See `Sink.close`: send what is left, as far as the collector answers soon."""
        # The exporter tries again for ten seconds and more unless it is told to stop; the SDK takes no other limit.
        giving_up = threading.Timer(self._patience_s, self._exporter.shutdown)
        giving_up.start()
        for number in list(self._waiting):
            self._make_waiting(number)
        self._provider.shutdown()
        giving_up.cancel()

    def _take(self, trace: Trace) -> None:
        """Make the spans of a trace and of those that have waited for it, or let it wait."""
        if trace.parent_id and trace.parent_id not in self._parents:
            self._waiting.setdefault(trace.parent_id, []).append(trace)
            if len(self._waiting) > _MOST_PARENTS:  # what they wait for was dropped
                self._make_waiting(next(iter(self._waiting)))
            return
        self._make(trace)
        self._make_waiting(trace.id)

    def _make_waiting(self, number: int) -> None:
        for trace in self._waiting.pop(number, ()):
            self._make(trace)
            self._make_waiting(trace.id)

    def _make(self, trace: Trace) -> None:
        from opentelemetry.context import Context

        events = sorted(((name, int(s * NS) + self._epoch_ns) for name, s in trace.moments), key=lambda one: one[1])
        model = [event for event in events if event[0] in _MODEL]
        compute = [event for event in events if event[0] in _COMPUTE]
        others = [event for event in events if event not in model and event not in compute]
        root, above = None, self._parents.get(trace.parent_id, Context())
        if not trace.parent_id:
            root = self._begin("InferRequest", events[0][1], _context(trace))
            above = _below(root)
        middle = self._begin(trace.model_name, model[0][1] if model else events[0][1], above)
        middle.set_attributes(_attributes(trace))
        _set_error(middle if root is None else root, trace)
        self._parents[trace.id] = _below(middle)
        if len(self._parents) > _MOST_PARENTS:
            self._parents.popitem(last=False)
        if compute:
            inner = self._begin("compute", compute[0][1], _below(middle))
            _end(inner, compute, compute[-1][1])
        if root is None:
            model, others = model + others, []
        _end(middle, model, model[-1][1] if model else events[-1][1])
        if root is not None:
            _end(root, others, events[-1][1])

    def _begin(self, name: str, start_ns: int, context: Any) -> Any:
        from opentelemetry.trace import SpanKind

        return self._tracer.start_span(name, context, SpanKind.SERVER, start_time=start_ns)


def _set_error(span: Any, trace: Trace) -> None:
    from opentelemetry.trace import Status, StatusCode

    if trace.error:
        span.set_status(Status(StatusCode.ERROR, trace.error))


def _end(span: Any, events: list[Event], end_ns: int) -> None:
    for name, time_ns in events:
        span.add_event(name, timestamp=time_ns)
    span.end(end_ns)


def _attributes(trace: Trace) -> dict[str, str | int]:
    attributes = {
        "triton.model_name": trace.model_name,
        "triton.model_version": model_version(trace),
        "triton.trace_id": trace.id,
        "triton.trace_parent_id": trace.parent_id,
    }
    return attributes | ({"triton.request_id": trace.request_id} if trace.request_id else {})


def _below(span: Any) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span, Context())


def _context(trace: Trace) -> Any:
    """Return the caller's context, or an empty one: never the thread's."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    caller = trace.caller
    if caller is None:
        return Context()
    carrier = {"traceparent": caller.traceparent, "tracestate": caller.tracestate}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _exporter(url: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(url if "://" in url else f"http://{url}")
