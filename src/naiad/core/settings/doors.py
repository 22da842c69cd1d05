"""The settings of the doors: where each listens, what its clients may do, and how long they may take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

from naiad.core.settings.options import Settings, limit, option

GRPC_TRANSPORTS = ("http2", "aio")

_http = partial(option, group="HTTP")
_grpc = partial(option, group="gRPC")
_metrics = partial(option, group="Metrics")


class DoorSettings(Protocol):
    """What the settings of every door have."""

    @property
    def allow(self) -> bool:
        """Whether the door opens."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where it listens: each address once, without the brackets of URLs. Filled by ServerSettings."""

    @property
    def port(self) -> int:
        """On which port; 0: one that the system chooses."""

    @property
    def reuse_port(self) -> bool:
        """Whether other servers may listen there, too."""


@dataclass(frozen=True, slots=True)
class HttpSettings(Settings):
    """The HTTP door."""

    allow: bool = _http("allow_http", True, "Serve HTTP.")
    host: str = _http("http_host", "", "Address to listen on for HTTP; if empty, that of --host.")
    port: int = _http("http_port", 8000, "Port for HTTP; 0 picks a free one.", least=0, most=65535)
    head: bool = _http("http_head", True, "Answer HEAD requests on the health routes, which uptime checks send.")
    reuse_port: bool = _http("reuse_http_port", False, "Allow several servers to share the HTTP port.")
    max_input_size: int = _http(
        "http_max_input_size",
        64 * 1024 * 1024,
        "Maximum size of a request body in bytes, after decompression, unless a binary tail follows its JSON.",
        least=1,
    )
    tls_cert: str = _http("http_tls_cert", "", "Certificate file (PEM, with its chain); turns on HTTPS.")
    tls_key: str = _http("http_tls_key", "", "Private key file (PEM, without a passphrase).")
    tls_client_ca: str = _http(
        "http_tls_client_ca", "", "Require client certificates signed by an authority in this file (PEM)."
    )
    restricted_api: tuple[str, ...] = _http(
        "http_restricted_api",
        (),
        "Require a header for some requests: CATEGORY[,CATEGORY...]:HEADER=VALUE.",
        is_secret=True,
    )
    allowed_origin: tuple[str, ...] = _http(
        "http_allowed_origin",
        (),
        "Let web pages of this origin, SCHEME://HOST[:PORT], use the server; * lets those of every origin.",
    )
    header_forward_pattern: str = _http(
        "http_header_forward_pattern",
        "",
        "Regular expression for names of headers to pass on as request parameters; case is ignored.",
    )
    max_binary_size: int = limit(
        "http_max_binary_size", 2**30, "Maximum size of a request body in bytes when a binary tail follows its JSON."
    )
    max_header_size: int = limit(
        "http_max_header_size", 64 * 1024, "Maximum size of a request line and its headers in bytes."
    )
    max_target_size: int = limit("http_max_target_size", 8192, "Maximum size of a request's path and query in bytes.")
    max_headers: int = limit("http_max_headers", 256, "Maximum number of headers in one request.")
    max_chunks: int = limit("http_max_chunks", 65_536, "Maximum number of non-empty chunks in a chunked body.")
    max_pipelined: int = limit(
        "http_max_pipelined", 128, "Maximum number of requests under way on one connection; further ones wait."
    )
    max_unsent_size: int = limit(
        "http_max_unsent_size", 2**28, "Maximum size in bytes of streamed output that a client has not read yet."
    )
    header_timeout_s: float = limit(
        "http_header_timeout_s", 30.0, "Maximum time in seconds for a request's headers to arrive."
    )
    body_timeout_s: float = limit(
        "http_body_timeout_s",
        60.0,
        "Maximum time in seconds for a request body to arrive; long bodies get more, by --http-min-body-rate.",
    )
    min_body_rate: int = limit(
        "http_min_body_rate",
        500,
        "Slowest rate, in bytes per second, at which a body may arrive beyond --http-body-timeout-s.",
    )
    idle_timeout_s: float = limit("http_idle_timeout_s", 620.0, "Seconds after which an unused connection is closed.")
    write_timeout_s: float = limit(
        "http_write_timeout_s", 60.0, "Maximum time in seconds that a client may leave a response unread."
    )
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcSettings(Settings):
    """The gRPC door; names and milliseconds are Triton's."""

    allow: bool = _grpc("allow_grpc", True, "Serve gRPC.")
    host: str = _grpc("grpc_host", "", "Address to listen on for gRPC; if empty, that of --host.")
    port: int = _grpc("grpc_port", 8001, "Port for gRPC; 0 picks a free one.", least=0, most=65535)
    reuse_port: bool = _grpc("reuse_grpc_port", False, "Allow several servers to share the gRPC port.")
    max_input_size: int = _grpc(
        "grpc_max_input_size", 64 * 1024 * 1024, "Maximum size of a gRPC request message in bytes.", least=1
    )
    transport: str = _grpc(
        "grpc_transport",
        "http2",
        "gRPC implementation: http2 (built in, fast) or aio (grpcio's, for comparison).",
        choices=GRPC_TRANSPORTS,
    )
    tls_cert: str = _grpc("grpc_tls_cert", "", "Certificate file (PEM, with its chain); turns on TLS for gRPC.")
    tls_key: str = _grpc("grpc_tls_key", "", "Private key file (PEM, without a passphrase).")
    tls_client_ca: str = _grpc(
        "grpc_tls_client_ca", "", "Require client certificates signed by an authority in this file (PEM)."
    )
    restricted_protocol: tuple[str, ...] = _grpc(
        "grpc_restricted_protocol",
        (),
        "Require metadata for some calls: CATEGORY[,CATEGORY...]:KEY=VALUE, sent as triton-grpc-protocol-KEY.",
        is_secret=True,
    )
    header_forward_pattern: str = _grpc(
        "grpc_header_forward_pattern",
        "",
        "Regular expression for names of metadata to pass on as request parameters; case is ignored.",
    )
    infer_response_compression_level: str = _grpc(
        "grpc_infer_response_compression_level",
        "none",
        "Compress inference responses for clients that accept it: low is gzip, medium and high are deflate.",
        choices=("none", "low", "medium", "high"),
    )
    keepalive_time: int = _grpc(
        "grpc_keepalive_time", 7_200_000, "Milliseconds of silence before a keepalive PING is sent.", least=1
    )
    keepalive_timeout: int = _grpc(
        "grpc_keepalive_timeout",
        20_000,
        "Milliseconds to wait for the answer to a keepalive PING before closing the connection.",
        least=1,
    )
    keepalive_permit_without_calls: bool = _grpc(
        "grpc_keepalive_permit_without_calls",
        False,
        "Send keepalive PINGs to clients without calls, too, and let these send PINGs as often as others.",
    )
    http2_max_pings_without_data: int = _grpc(
        "grpc_http2_max_pings_without_data", 2, "Keepalive PINGs sent without data in between; 0: no limit.", least=0
    )
    http2_min_recv_ping_interval_without_data: int = _grpc(
        "grpc_http2_min_recv_ping_interval_without_data",
        300_000,
        "Shortest time in milliseconds between two PINGs from a client that is sent no data in between.",
        least=0,
    )
    http2_max_ping_strikes: int = _grpc(
        "grpc_http2_max_ping_strikes",
        2,
        "PINGs that a client may send too early before it is disconnected; 0: no limit.",
        least=0,
    )
    max_connection_age: int = _grpc(
        "grpc_max_connection_age", 0, "Milliseconds after which a connection accepts no more calls; 0: never.", least=0
    )
    max_connection_age_grace: int = _grpc(
        "grpc_max_connection_age_grace",
        0,
        "Milliseconds to let calls finish after --grpc-max-connection-age; 0: no limit.",
        least=0,
    )
    max_stream_requests: int = limit(
        "grpc_max_stream_requests", 65_536, "Maximum number of requests on one gRPC stream waiting for responses."
    )
    max_concurrent_streams: int = limit(
        "grpc_max_concurrent_streams", 1000, "Maximum number of simultaneous calls on one gRPC connection."
    )
    write_timeout_s: float = limit(
        "grpc_write_timeout_s", 60.0, "Maximum time in seconds that a gRPC client may leave responses unread."
    )
    max_header_size: int = limit(
        "grpc_max_header_size",
        64 * 1024,
        "Maximum size of a call's metadata in bytes, counting 32 extra for each entry.",
    )
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricsSettings(Settings):
    """The metrics door."""

    allow: bool = _metrics("allow_metrics", True, "Serve metrics.")
    host: str = _metrics(
        "metrics_host", "", "Address to listen on for metrics; if empty, that of --http-host or --host."
    )
    port: int = _metrics("metrics_port", 8002, "Port for /metrics; 0 picks a free one.", least=0, most=65535)
    machine: bool = _metrics("allow_cpu_metrics", True, "Include the machine's use of processors and memory.")
    tls: bool = _metrics("metrics_tls", False, "Serve /metrics over HTTPS with the certificate of --http-tls-cert.")
    hosts: tuple[str, ...] = ()
    reuse_port: ClassVar[bool] = False
