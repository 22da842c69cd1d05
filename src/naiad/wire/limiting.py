"""Which option sets which limit, and what each door makes of the options."""

from __future__ import annotations

from naiad.core.config import ServerSettings
from naiad.protocol.limits import Limits
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.timeouts import HttpTimes

LIMIT_OPTIONS = {
    "body_bytes": "http_max_input_size",
    "binary_bytes": "http_max_binary_size",
    "json_depth": "max_json_depth",
    "json_values": "max_json_values",
    "tensors": "max_tensors",
    "parameters": "max_parameters",
    "string_elements": "max_string_elements",
    "string_bytes": "max_string_size",
    "id_length": "max_request_id_length",
    "name_length": "max_name_length",
    "texts": "max_texts",
    "tokens": "max_tokens",
    "header_bytes": "http_max_header_size",
    "target_bytes": "http_max_target_size",
    "headers": "http_max_headers",
    "chunks": "http_max_chunks",
    "pipelined": "http_max_pipelined",
    "unsent_bytes": "http_max_unsent_size",
    "stream_requests": "grpc_max_stream_requests",
}
"""Field of Limits → option."""

TIME_OPTIONS = {
    "header_s": "http_header_timeout_s",
    "body_s": "http_body_timeout_s",
    "body_rate": "http_min_body_rate",
    "idle_s": "http_idle_timeout_s",
    "write_s": "http_write_timeout_s",
}
"""Field of HttpTimes → option; how long a refused client may linger is nobody's choice."""


def http_limits(settings: ServerSettings) -> Limits:
    """Return those of a request over HTTP."""
    limits = {field: getattr(settings, option) for field, option in LIMIT_OPTIONS.items()}
    return Limits(**{**limits, "binary_bytes": max(limits["binary_bytes"], limits["body_bytes"])})


def grpc_limits(settings: ServerSettings) -> Limits:
    """Return those of a request over gRPC; a message is bounded before it comes here."""
    limits = {field: getattr(settings, option) for field, option in LIMIT_OPTIONS.items()}
    return Limits(**{**limits, "body_bytes": settings.grpc_max_input_size})


def http_times(settings: ServerSettings) -> HttpTimes:
    """Return how long an HTTP client may take."""
    return HttpTimes(**{field: getattr(settings, option) for field, option in TIME_OPTIONS.items()})


def http_capacity(settings: ServerSettings) -> Capacity:
    """Return what all connections of one listener may take together."""
    return Capacity(settings.max_connections, settings.http_max_receiving_size)
