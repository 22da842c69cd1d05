"""tritonserver's flags: name, kind of value, and what each means to this server.

One row for each flag. It sets a field of ServerSettings, or has no effect here for a reason that is told once, or is
one of the few whose meaning takes more than a field (`triton_arguments.py` has those by name). Names and meanings are
Triton's (`tritonserver --help`); the sentences are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BOOLEAN, NUMBER, TEXT, SWITCH = "boolean", "integer", "string", "switch"
"""Kinds of values; a switch takes none."""

_NO_GPU = "this server runs models on the CPU"
_NO_CACHE = "this server has no response cache yet"
_NO_POOL = "memory is not taken from pools here"
_ONE_LOOP = "one event loop serves all connections"


@dataclass(frozen=True, slots=True)
class TritonFlag:
    """One flag of tritonserver."""

    name: str
    """Without the dashes."""
    kind: str
    help: str
    field: str = ""
    """Of ServerSettings; empty: not one field's business."""
    no_effect: str = ""
    """Why the flag, accepted, changes nothing here."""
    harmless: tuple[str, ...] = ()
    """Values (in lower case) that ask for what is so anyway, and are not worth a warning."""
    is_repeatable: bool = False
    choices: tuple[str, ...] = ()
    """In any case of letters."""
    least: int | None = None
    """Smaller numbers mean this one, as in Triton."""


def _sets(name: str, kind: str, field: str, help_text: str, *, least: int | None = None) -> TritonFlag:
    return TritonFlag(name, kind, help_text, field, least=least)


def _repeats(name: str, field: str, help_text: str) -> TritonFlag:
    return TritonFlag(name, TEXT, help_text, field, is_repeatable=True)


def _ignored(name: str, kind: str, reason: str, *harmless: str) -> TritonFlag:
    return TritonFlag(name, kind, f"No effect: {reason}.", no_effect=reason, harmless=harmless, is_repeatable=True)


FLAGS: dict[str, tuple[TritonFlag, ...]] = {
    "Server": (
        _sets("id", TEXT, "server_name", "Name in the server metadata."),
        _sets("exit-timeout-secs", NUMBER, "drain_timeout_s", "Seconds that running requests get to finish.", least=0),
    ),
    "Logging": (
        TritonFlag("log-verbose", NUMBER, "Verbose lines: 0 none, 1 or more all; true and false, too.", "log_verbose"),
        _sets("log-info", BOOLEAN, "log_info", "Write lines of level info."),
        _sets("log-warning", BOOLEAN, "log_warning", "Write lines of level warning."),
        _sets("log-error", BOOLEAN, "log_error", "Write lines of level error."),
        TritonFlag("log-format", TEXT, "How lines look: default or ISO8601.", "log_format",
                   choices=("default", "iso8601")),
        _sets("log-file", TEXT, "log_file", "File to append lines to, instead of the console."),
    ),
    "Model Repository": (
        TritonFlag("model-repository", TEXT, "Folder of models; needed at least once.", is_repeatable=True),
        TritonFlag("model-store", TEXT, "The same as --model-repository.", is_repeatable=True),
        _sets("exit-on-error", BOOLEAN, "exit_on_error", "Exit with status 1 when any model cannot be loaded."),
        TritonFlag("disable-auto-complete-config", SWITCH, "Take configurations as they are written."),
        _sets("strict-readiness", BOOLEAN, "strict_readiness", "Be ready only when every model is."),
        TritonFlag("model-control-mode", TEXT, "When models are loaded: none, poll or explicit.", "model_control_mode",
                   choices=("none", "poll", "explicit")),
        _sets("repository-poll-secs", NUMBER, "repository_poll_s", "Seconds between two looks in poll mode."),
        _repeats("load-model", "load_model", "Model to load at start in explicit mode; * alone means all."),
        _sets("model-config-name", TEXT, "model_config_name", "Use a model's configs/NAME.pbtxt."),
        _sets("model-load-thread-count", NUMBER, "load_threads", "Models loaded at the same time.", least=1),
        _sets("model-load-retry-count", NUMBER, "load_retries", "Further attempts to load a model.", least=0),
        _ignored("model-namespacing", BOOLEAN, "models of one name in two repositories are not served", "false"),
        _ignored("enable-peer-access", BOOLEAN, _NO_GPU, "true", "false"),
    ),
    "Shared Memory": (
        _sets("allow-client-shm", BOOLEAN, "allow_client_shm", "Let clients register shared memory."),
    ),
    "HTTP": (
        _sets("allow-http", BOOLEAN, "allow_http", "Open the HTTP door."),
        _sets("http-address", TEXT, "http_host", "Address of the HTTP door."),
        _sets("http-port", NUMBER, "http_port", "Port of the HTTP door; 0 lets the system choose."),
        _sets("reuse-http-port", BOOLEAN, "reuse_http_port", "Let several servers share the HTTP port."),
        _sets("http-header-forward-pattern", TEXT, "http_header_forward_pattern",
              "Headers whose name matches become request parameters."),
        _sets("http-max-input-size", NUMBER, "http_max_input_size", "Bytes that one request body may have."),
        _ignored("http-thread-count", NUMBER, _ONE_LOOP),
        _repeats("http-restricted-api", "http_restricted_api", "CATEGORY[,CATEGORY...]:HEADER=VALUE"),
        _sets("http-tls-cert", TEXT, "http_tls_cert", "Certificate (PEM): HTTPS. Not in Triton."),
        _sets("http-tls-key", TEXT, "http_tls_key", "Private key (PEM). Not in Triton."),
        _sets("http-tls-client-ca", TEXT, "http_tls_client_ca", "Demand client certificates. Not in Triton."),
    ),
    "GRPC": (
        _sets("allow-grpc", BOOLEAN, "allow_grpc", "Open the gRPC door."),
        _sets("grpc-address", TEXT, "grpc_host", "Address of the gRPC door."),
        _sets("grpc-port", NUMBER, "grpc_port", "Port of the gRPC door; 0 lets the system choose."),
        _sets("reuse-grpc-port", BOOLEAN, "reuse_grpc_port", "Let several servers share the gRPC port."),
        _sets("grpc-header-forward-pattern", TEXT, "grpc_header_forward_pattern",
              "Metadata whose name matches becomes request parameters."),
        _ignored("grpc-infer-thread-count", NUMBER, _ONE_LOOP),
        _ignored("grpc-infer-allocation-pool-size", NUMBER, _NO_POOL),
        _ignored("grpc-max-response-pool-size", NUMBER, _NO_POOL),
        TritonFlag("grpc-use-ssl", BOOLEAN, "Serve gRPC over TLS."),
        TritonFlag("grpc-use-ssl-mutual", BOOLEAN, "Serve gRPC over TLS and demand client certificates."),
        TritonFlag("grpc-server-cert", TEXT, "Certificate (PEM), with --grpc-use-ssl."),
        TritonFlag("grpc-server-key", TEXT, "Private key (PEM), with --grpc-use-ssl."),
        TritonFlag("grpc-root-cert", TEXT, "Who may sign clients' certificates (PEM), with --grpc-use-ssl-mutual."),
        TritonFlag("grpc-infer-response-compression-level", TEXT, "none, low, medium or high.",
                   "grpc_infer_response_compression_level", choices=("none", "low", "medium", "high")),
        _sets("grpc-keepalive-time", NUMBER, "grpc_keepalive_time", "Milliseconds of silence before a ping."),
        _sets("grpc-keepalive-timeout", NUMBER, "grpc_keepalive_timeout", "Milliseconds to wait for its answer."),
        _sets("grpc-keepalive-permit-without-calls", BOOLEAN, "grpc_keepalive_permit_without_calls",
              "Ping clients without calls, too."),
        _sets("grpc-http2-max-pings-without-data", NUMBER, "grpc_http2_max_pings_without_data",
              "Pings without data between them; 0: any."),
        _sets("grpc-http2-min-recv-ping-interval-without-data", NUMBER,
              "grpc_http2_min_recv_ping_interval_without_data", "Milliseconds between two pings of a client."),
        _sets("grpc-http2-max-ping-strikes", NUMBER, "grpc_http2_max_ping_strikes", "Bad pings of a client; 0: any."),
        _sets("grpc-max-connection-age", NUMBER, "grpc_max_connection_age", "Milliseconds; 0: any.", least=0),
        _sets("grpc-max-connection-age-grace", NUMBER, "grpc_max_connection_age_grace", "Milliseconds; 0: any.",
              least=0),
        _repeats("grpc-restricted-protocol", "grpc_restricted_protocol", "CATEGORY[,CATEGORY...]:KEY=VALUE"),
    ),
    "Sagemaker": (
        _ignored("allow-sagemaker", BOOLEAN, "there is no SageMaker door", "false"),
        _ignored("sagemaker-port", NUMBER, "there is no SageMaker door"),
        _ignored("sagemaker-safe-port-range", TEXT, "there is no SageMaker door"),
        _ignored("sagemaker-thread-count", NUMBER, "there is no SageMaker door"),
    ),
    "Vertex": (
        _ignored("allow-vertex-ai", BOOLEAN, "there is no Vertex AI door", "false"),
        _ignored("vertex-ai-port", NUMBER, "there is no Vertex AI door"),
        _ignored("vertex-ai-thread-count", NUMBER, "there is no Vertex AI door"),
        _ignored("vertex-ai-default-model", TEXT, "there is no Vertex AI door"),
    ),
    "Metrics": (
        _sets("allow-metrics", BOOLEAN, "allow_metrics", "Open the metrics door."),
        _ignored("allow-gpu-metrics", BOOLEAN, _NO_GPU, "true", "false"),
        _ignored("allow-cpu-metrics", BOOLEAN, "the metrics of the process are always there", "true"),
        _sets("metrics-address", TEXT, "metrics_host", "Address of the metrics door; default: --http-address."),
        _sets("metrics-port", NUMBER, "metrics_port", "Port of the metrics door; 0 lets the system choose."),
        _ignored("metrics-interval-ms", TEXT, "metrics are gathered when they are asked for"),
        _ignored("metrics-config", TEXT, "which metrics there are cannot be chosen"),
    ),
    "Tracing": (
        _repeats("trace-config", "trace_config", "[triton|opentelemetry,]SETTING=VALUE"),
    ),
    "Backend": (
        _ignored("backend-directory", TEXT, "backends are a part of this server"),
        _repeats("backend-config", "backend_config", "[BACKEND,]SETTING=VALUE"),
    ),
    "Repository Agent": (
        _ignored("repoagent-directory", TEXT, "there are no repository agents here"),
    ),
    "Response Cache": (
        _ignored("cache-config", TEXT, _NO_CACHE),
        _ignored("cache-directory", TEXT, _NO_CACHE),
    ),
    "Rate Limiter": (
        _ignored("rate-limit", TEXT, "this server has no rate limiter yet", "off"),
        _ignored("rate-limit-resource", TEXT, "this server has no rate limiter yet"),
    ),
    "Memory/Device Management": (
        _ignored("pinned-memory-pool-byte-size", NUMBER, _NO_GPU, "0"),
        _ignored("cuda-memory-pool-byte-size", TEXT, _NO_GPU),
        _ignored("cuda-virtual-address-size", TEXT, _NO_GPU),
        _ignored("min-supported-compute-capability", TEXT, _NO_GPU),
        _ignored("buffer-manager-thread-count", NUMBER, "tensors are not copied by threads", "0"),
        _ignored("host-policy", TEXT, "the operating system decides which cores and memory are used"),
        _ignored("model-load-gpu-limit", TEXT, _NO_GPU),
    ),
    "Deprecated": (
        TritonFlag("strict-model-config", BOOLEAN, "Now --disable-auto-complete-config."),
        _ignored("response-cache-byte-size", NUMBER, _NO_CACHE, "0"),
        TritonFlag("trace-file", TEXT, "Now --trace-config triton,file=FILE."),
        TritonFlag("trace-level", TEXT, "Now --trace-config level=LEVEL.", is_repeatable=True),
        TritonFlag("trace-rate", NUMBER, "Now --trace-config rate=NUMBER."),
        TritonFlag("trace-count", NUMBER, "Now --trace-config count=NUMBER."),
        TritonFlag("trace-log-frequency", NUMBER, "Now --trace-config triton,log-frequency=NUMBER."),
    ),
}  # fmt: skip
"""By section of the help, as tritonserver has them."""

REPLACED = {
    "trace-file": "triton,file",
    "trace-level": "level",
    "trace-rate": "rate",
    "trace-count": "count",
    "trace-log-frequency": "triton,log-frequency",
}
"""Deprecated flags and the setting of --trace-config that took their place."""

DEFAULTS = {
    "host": ("0.0.0.0",),  # noqa: S104 - Triton's
    "http_head": False,
    "exit_on_error": True,
    "log_format": "default",
    "grpc_max_input_size": 2**31 - 1,
}
"""Where Triton's defaults differ from ours."""


def all_flags() -> Iterator[TritonFlag]:
    """Give every flag, in the order of the help."""
    for flags in FLAGS.values():
        yield from flags
