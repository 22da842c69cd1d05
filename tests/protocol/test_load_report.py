"""Load reports in their three forms; the binary one is read by protobuf, from ORCA's own names and numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from naiad.core.errors import InvalidRequest
from naiad.core.load import Load
from naiad.protocol.load_report import in_ascii, writer_of

LOAD = Load(waiting=7, running=2, cpu=0.25, memory=0.5, requests_per_s=12.5, failures_per_s=0.125)
FIELDS = {"cpu_utilization": 0.25, "mem_utilization": 0.5, "rps_fractional": 12.5, "eps": 0.125}
NAMED = {"num_requests_waiting": 7.0, "num_requests_running": 2.0}


def report_class() -> Any:
    """xds.data.orca.v3.OrcaLoadReport, the fields that are used and those between them."""
    file = descriptor_pb2.FileDescriptorProto(name="orca.proto", package="orca", syntax="proto3")
    message = file.message_type.add(name="OrcaLoadReport")
    numbers = {"cpu_utilization": 1, "mem_utilization": 2, "rps_fractional": 6, "eps": 7, "application_utilization": 9}
    for name, number in numbers.items():
        message.field.add(name=name, number=number, type=1, label=1)
    entry = message.nested_type.add(name="NamedMetricsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=1, label=1)
    message.field.add(
        name="named_metrics", number=8, type=11, label=3, type_name=".orca.OrcaLoadReport.NamedMetricsEntry"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("orca.OrcaLoadReport"))


@pytest.mark.parametrize("wanted", ["text", "TEXT", " Text "])
def test_text(wanted: str) -> None:
    name, value = writer_of(wanted)(LOAD)
    assert name == "endpoint-load-metrics"
    kind, _, pairs = value.decode().partition(" ")
    assert kind == "TEXT"
    found = {key: float(number) for key, _, number in (pair.partition("=") for pair in pairs.split(","))}
    assert found == FIELDS | {f"named_metrics.{key}": number for key, number in NAMED.items()}


def test_json() -> None:
    name, value = writer_of("json")(LOAD)
    assert (name, value[:5]) == ("endpoint-load-metrics", b"JSON ")
    assert json.loads(value[5:]) == {**FIELDS, "named_metrics": NAMED}


def test_binary() -> None:
    name, value = writer_of("bin")(LOAD)
    assert name == "endpoint-load-metrics-bin"
    report = report_class().FromString(value)
    assert {key: getattr(report, key) for key in FIELDS} == FIELDS
    assert dict(report.named_metrics) == NAMED
    assert b"=" not in in_ascii(name, value)


@pytest.mark.parametrize("wanted", ["", "xml", "text,json", "t" * 1000])
def test_a_form_that_there_is_not_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(InvalidRequest, match="endpoint-load-metrics-format must be text, json or bin") as refused:
        writer_of(wanted)
    assert len(refused.value.message) < 120
