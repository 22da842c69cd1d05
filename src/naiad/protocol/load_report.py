"""Load reports in the forms of ORCA (Open Request Cost Aggregation), which load balancers read from answers.

A request asks by the header `endpoint-load-metrics-format`, as in Triton. Names and types of the fields are those of
xds.data.orca.v3.OrcaLoadReport; where they stand in answers is Envoy's and gRPC's word (gRFC A51).
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import orjson

from naiad.core.errors import InvalidRequest
from naiad.core.load import Load

FORMAT = "endpoint-load-metrics-format"
"""The header, or metadata, by which a request asks; text, json or bin, in either case."""
REPORT = "endpoint-load-metrics"
"""Where the answer has the first two."""
REPORT_BINARY = "endpoint-load-metrics-bin"
"""Where it has the last."""

WAITING, RUNNING = "num_requests_waiting", "num_requests_running"
"""Their names among `named_metrics`, which ORCA leaves free; vLLM's."""

_SHOWN = 40
_MAP_KEY = 0x0A
_MAP_VALUE = 0x11
_NAMED_METRICS = 0x42
"""Field 8, a map; tags of protobuf's wire format, as those below."""
_TAGS = {"cpu_utilization": 0x09, "mem_utilization": 0x11, "rps_fractional": 0x31, "eps": 0x39}
"""Fields 1, 2, 6 and 7, doubles."""

Write = Callable[[Load], tuple[str, bytes]]
"""Gives the name of a header and its value; that of REPORT_BINARY is not in base64 yet."""


def writer_of(wanted: str) -> Write:
    """Return what writes the form that a request wants. Raises InvalidRequest for a form that there is not."""
    write = _FORMS.get(wanted.strip().lower())
    if write is None:
        raise InvalidRequest(f"{FORMAT} must be text, json or bin, not '{wanted[:_SHOWN]}'")
    return write


def in_ascii(name: str, value: bytes) -> bytes:
    """Return a header's value as it is sent: binary ones in base64, without padding."""
    return b64encode(value).rstrip(b"=") if name == REPORT_BINARY else value


def _fields(load: Load) -> dict[str, float]:
    return {
        "cpu_utilization": round(load.cpu, 4),
        "mem_utilization": round(load.memory, 4),
        "rps_fractional": round(load.requests_per_s, 3),
        "eps": round(load.failures_per_s, 3),
    }


def _named(load: Load) -> dict[str, float]:
    return {WAITING: float(load.waiting), RUNNING: float(load.running)}


def _text(load: Load) -> tuple[str, bytes]:
    named = {f"named_metrics.{name}": value for name, value in _named(load).items()}
    pairs = ",".join(f"{name}={value:g}" for name, value in {**_fields(load), **named}.items())
    return REPORT, f"TEXT {pairs}".encode()


def _json(load: Load) -> tuple[str, bytes]:
    document: dict[str, Any] = {**_fields(load), "named_metrics": _named(load)}
    return REPORT, b"JSON " + orjson.dumps(document)


def _binary(load: Load) -> tuple[str, bytes]:
    parts = [struct.pack("<Bd", _TAGS[name], value) for name, value in _fields(load).items()]
    for name, value in _named(load).items():
        key = name.encode()
        entry = struct.pack("<BB", _MAP_KEY, len(key)) + key + struct.pack("<Bd", _MAP_VALUE, value)
        parts.append(struct.pack("<BB", _NAMED_METRICS, len(entry)) + entry)
    return REPORT_BINARY, b"".join(parts)


_FORMS: dict[str, Write] = {"text": _text, "json": _json, "bin": _binary}
