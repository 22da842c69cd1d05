"""Spans: what the official SDK makes of our traces, in memory and as a collector receives them."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.core.trace import Caller, Trace
from naiad.observe.trace.options import SpanOptions
from naiad.observe.trace.sampling import Sampler
from naiad.observe.trace.settings import TraceValues
from naiad.observe.trace.spans import Spans

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed (requirements/dev.txt)")

ON = Sampler(TraceValues(("TIMESTAMPS",)))
CALLER = Caller("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
MOMENTS = {
    "HTTP_RECV": ("HTTP_RECV_START", "HTTP_RECV_END"),
    "request": ("REQUEST_START", "QUEUE_START"),
    "compute": ("COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END"),
    "end": ("INFER_RESPONSE_COMPLETE", "REQUEST_END", "HTTP_SEND_START", "HTTP_SEND_END"),
}


def make_trace(*, without: str = "", **more: Any) -> Trace:
    """A trace whose moments are a millisecond apart, and just over."""
    names = [name for part, group in MOMENTS.items() if part != without for name in group]
    began_s = time.perf_counter() - 1e-3 * len(names)
    moments = [(name, began_s + 1e-3 * number) for number, name in enumerate(names)]
    return Trace(7, "text", "2", "r", moments=moments, **more)


def exported(trace: Trace, options: SpanOptions | None = None, sampler: Sampler = ON) -> dict[str, Any]:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    spans = Spans(options or SpanOptions(), exporter)
    spans.write([(sampler, trace)])
    spans.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def names(span: Any) -> list[str]:
    return [event.name for event in span.events]


def test_three_spans_one_below_the_other() -> None:
    before_ns = time.time_ns()
    spans = exported(make_trace())
    root, model, compute = spans["InferRequest"], spans["text"], spans["compute"]
    assert (root.parent, model.parent.span_id) == (None, root.context.span_id)
    assert compute.parent.span_id == model.context.span_id
    assert {span.context.trace_id for span in spans.values()} == {root.context.trace_id}
    assert names(root) == [*MOMENTS["HTTP_RECV"], "INFER_RESPONSE_COMPLETE", "HTTP_SEND_START", "HTTP_SEND_END"]
    assert names(model) == ["REQUEST_START", "QUEUE_START", "REQUEST_END"]
    assert names(compute) == list(MOMENTS["compute"])
    assert root.start_time <= model.start_time <= compute.start_time <= compute.end_time
    assert compute.end_time <= model.end_time <= root.end_time
    assert root.end_time - root.start_time == pytest.approx(11e6, abs=1000)
    assert abs(root.end_time - before_ns) < 1e9
    assert {span.kind.name for span in spans.values()} == {"SERVER"}


def test_what_the_model_span_says() -> None:
    assert dict(exported(make_trace(parent_id=3))["text"].attributes) == {
        "triton.model_name": "text",
        "triton.model_version": 2,
        "triton.trace_id": 7,
        "triton.trace_parent_id": 3,
        "triton.request_id": "r",
    }


def test_a_request_that_never_ran_has_no_compute_span_and_says_why() -> None:
    spans = exported(make_trace(without="compute", error="queue full"))
    assert set(spans) == {"InferRequest", "text"}
    status = spans["InferRequest"].status
    assert (status.status_code.name, status.description) == ("ERROR", "queue full")


def test_the_callers_trace_goes_on() -> None:
    root = exported(make_trace(caller=CALLER))["InferRequest"]
    assert root.context.trace_id == 0x4BF92F3577B34DA6A3CE929D0E0E4736
    assert root.parent.span_id == 0x00F067AA0BA902B7
    assert root.context.trace_state.get("vendor") == "1"


def test_resource_attributes() -> None:
    assert exported(make_trace())["text"].resource.attributes["service.name"] == "naiad"
    options = SpanOptions(resource=("service.name=mine", "a=b=c"))
    attributes = exported(make_trace(), options)["text"].resource.attributes
    assert (attributes["service.name"], attributes["a"]) == ("mine", "b=c")


def test_without_timestamps_there_is_nothing_to_tell() -> None:
    assert exported(make_trace(), sampler=Sampler(TraceValues(("TENSORS",)))) == {}


def test_without_the_sdk_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(InvalidConfiguration, match=r"pip install 'naiad\[otel\]'"):
        Spans(SpanOptions())


def test_a_collector_receives_them(collector: tuple[str, queue.SimpleQueue[Any]]) -> None:
    url, received = collector
    spans = Spans(SpanOptions(url, ("deployment=test",)))
    spans.write([(ON, make_trace(caller=CALLER))])
    spans.close()
    (resource,) = received.get_nowait().resource_spans
    assert received.empty()
    found = {span.name: span for span in resource.scope_spans[0].spans}
    assert set(found) == {"InferRequest", "text", "compute"}
    assert found["InferRequest"].trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert found["compute"].parent_span_id == found["text"].span_id
    assert "test" in {one.value.string_value for one in resource.resource.attributes if one.key == "deployment"}


def test_no_collector_is_no_reason_to_hang(caplog: pytest.LogCaptureFixture) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spans = Spans(SpanOptions(f"http://127.0.0.1:{port}/v1/traces"), patience_s=0.1)
    spans.write([(ON, make_trace())])
    began_s = time.perf_counter()
    spans.close()
    assert time.perf_counter() - began_s < 5
    assert "opentelemetry" in {record.name.partition(".")[0] for record in caplog.records}  # the SDK says so itself


def steps_and_ensemble(*order: int) -> dict[str, Any]:
    """Spans of an ensemble (trace 1), of its step, an ensemble too (2), and of that one's step (3), by model."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    spans = Spans(SpanOptions(), exporter)
    traces = {
        1: make_trace(without="compute"),
        2: make_trace(without="compute", parent_id=1),
        3: make_trace(parent_id=2),
    }
    for number, trace in traces.items():
        trace.id, trace.model_name = number, f"m{number}"
    for number in order:
        spans.write([(ON, traces[number])])
    spans.close()
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.mark.parametrize("order", [(3, 2, 1), (1, 2, 3), (2, 1, 3), (3, 1, 2)])
def test_steps_are_below_their_ensemble_whichever_comes_first(order: tuple[int, ...]) -> None:
    spans = steps_and_ensemble(*order)
    assert set(spans) == {"InferRequest", "m1", "m2", "m3", "compute"}
    parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    ids = {name: span.context.span_id for name, span in spans.items()}
    assert parents == {
        "InferRequest": None,
        "m1": ids["InferRequest"],
        "m2": ids["m1"],
        "m3": ids["m2"],
        "compute": ids["m3"],
    }
    assert len({span.context.trace_id for span in spans.values()}) == 1


def test_a_step_whose_ensemble_never_comes_is_told_of_at_the_end() -> None:
    assert steps_and_ensemble(3)["m3"].parent is None
