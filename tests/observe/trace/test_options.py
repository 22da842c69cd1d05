from __future__ import annotations

from pathlib import Path

import pytest

from naiad.core.errors import InvalidConfiguration
from naiad.observe.trace.options import SpanOptions, TraceOptions, read_trace_config
from naiad.observe.trace.settings import TraceValues


def test_nothing_said_traces_nothing() -> None:
    assert TraceOptions() == read_trace_config([])


def test_tritons_lines(tmp_path: Path) -> None:
    file = str(tmp_path / "a,b=c.json")
    lines = [
        f"triton,file={file}",
        "triton,log-frequency=50",
        "rate=100",
        "level=timestamps",
        "level=TENSORS",
        "count=9",
    ]
    values = TraceValues(("TIMESTAMPS", "TENSORS"), 100, 9, 50)
    assert TraceOptions(values, "triton", file) == read_trace_config(lines)


def test_options_without_a_mode_may_share_a_line() -> None:
    options = read_trace_config(["rate=5,count=2,log-frequency=3,level=OFF", "rate=6"])
    assert TraceValues((), 6, 2, 3) == options.values


def test_opentelemetrys_lines() -> None:
    options = read_trace_config(
        [
            "mode=OpenTelemetry",
            "level=MAX",
            "rate=0",
            "opentelemetry,url=http://collector:4318/v1/traces?a=b,c",
            "opentelemetry,resource=service.name=text",
            "opentelemetry,resource=a=b=c",
            "opentelemetry,bsp_schedule_delay=10",
        ]
    )
    batching = {"bsp_schedule_delay": 10, "bsp_max_export_batch_size": 512, "bsp_max_queue_size": 2048}
    spans = SpanOptions("http://collector:4318/v1/traces?a=b,c", ("service.name=text", "a=b=c"), batching)
    assert TraceOptions(TraceValues(("TIMESTAMPS",), 0), "opentelemetry", "", spans) == options
    assert options.spans.document()["resource"] == ["service.name=text", "a=b=c"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["rate=x"], "--trace-config: Unable to parse 'trace_rate', got: x"),
        (["count=-5"], "--trace-config: Unable to parse 'trace_count'. Expecting value >= -1, got: -5"),
        (["triton,log-frequency=x"], "--trace-config: Unable to parse 'log_frequency', got: x"),
        (["level=FOO"], "--trace-config: level must be TIMESTAMPS, TENSORS or OFF, not 'FOO'"),
        (["level=OFF", "level=TENSORS"], "--trace-config: Expect only one trace level 'OFF' is specified"),
        (["mode=foo"], "--trace-config mode must be triton or opentelemetry, not 'foo'"),
        (["triton"], "--trace-config 'triton': each option is KEY=VALUE"),
        (["triton,file="], "--trace-config 'triton,file=': each option is KEY=VALUE"),
        (["bar,x=1"], "--trace-config 'bar,x=1': the mode must be triton or opentelemetry"),
        (
            ["foo=1"],
            "--trace-config 'foo=1': unknown option 'foo'; known: rate, level, count, log-frequency, mode",
        ),
        (
            ["triton,rate=1"],
            "--trace-config 'triton,rate=1': unknown option 'rate'; known: triton,file, triton,log-frequency",
        ),
        (
            ["opentelemetry,resource=ab"],
            "--trace-config opentelemetry,resource must be KEY=VALUE, not 'ab'",
        ),
        (
            ["opentelemetry,bsp_schedule_delay=-1"],
            "--trace-config opentelemetry,bsp_schedule_delay must be a positive number, not '-1'",
        ),
        (
            ["opentelemetry,bsp_max_queue_size=9"],
            "--trace-config: bsp_max_export_batch_size must not exceed bsp_max_queue_size",
        ),
        (["level=TENSORS"], "--trace-config: level=TENSORS needs triton,file=PATH"),
        (["level=TENSORS", "rate=0", "triton,file=/x"], "--trace-config: rate=0 works only with mode=opentelemetry"),
        (
            ["level=TENSORS", "mode=opentelemetry"],
            "--trace-config: mode=opentelemetry needs level=TIMESTAMPS; TENSORS works only with mode=triton",
        ),
        (
            ["triton,file=/no such folder/x"],
            "--trace-config triton,file=/no such folder/x: the path must be a file in an existing folder",
        ),
    ],
)
def test_what_is_refused_at_the_start(lines: list[str], message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read_trace_config(lines)
    assert message == caught.value.message
