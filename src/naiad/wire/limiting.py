"""Which option sets which limit, and what each door makes of the options."""

from __future__ import annotations

from dataclasses import replace

from naiad.core.settings.config import RequestSettings, ServerSettings
from naiad.core.settings.doors import HttpSettings
from naiad.protocol.limits import Limits
from naiad.serving.worker import Worker
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.timeouts import HttpTimes
from naiad.wire.waiting import Waiting


def http_limits(settings: ServerSettings) -> Limits:
    """Return the limits of a request over HTTP."""
    http = settings.http
    return replace(
        _request_limits(settings.requests),
        body_bytes=http.max_input_size,
        binary_bytes=max(http.max_binary_size, http.max_input_size),
        header_bytes=http.max_header_size,
        target_bytes=http.max_target_size,
        headers=http.max_headers,
        chunks=http.max_chunks,
        pipelined=http.max_pipelined,
        unsent_bytes=http.max_unsent_size,
    )


def grpc_limits(settings: ServerSettings) -> Limits:
    """Return the limits of a request over gRPC; a message is bounded before it comes here."""
    return replace(
        _request_limits(settings.requests),
        body_bytes=settings.grpc.max_input_size,
        stream_requests=settings.grpc.max_stream_requests,
    )


def _request_limits(requests: RequestSettings) -> Limits:
    return Limits(
        json_depth=requests.max_json_depth,
        json_values=requests.max_json_values,
        tensors=requests.max_tensors,
        parameters=requests.max_parameters,
        string_elements=requests.max_string_elements,
        string_bytes=requests.max_string_size,
        id_length=requests.max_request_id_length,
        name_length=requests.max_name_length,
        texts=requests.max_texts,
        tokens=requests.max_tokens,
    )


def http_times(http: HttpSettings) -> HttpTimes:
    """Return how long an HTTP client may take; how long a refused one may linger is nobody's choice."""
    return HttpTimes(
        header_s=http.header_timeout_s,
        body_s=http.body_timeout_s,
        body_rate=http.min_body_rate,
        idle_s=http.idle_timeout_s,
        write_s=http.write_timeout_s,
    )


def http_capacity(settings: ServerSettings, waiting: Waiting, worker: Worker) -> Capacity:
    """Return what all connections of one listener may take together. waiting, worker: the server's."""
    return Capacity(settings.max_connections, waiting, worker)
