"""tritonserver's flags: name, kind of value, and what each means to this server.

One row for each flag. A flag sets an option of ours, or has no effect here for a reason that is given once, or is one
of the few that do more than set an option (`triton_arguments.py` has those by name). Names and meanings are Triton's
(`tritonserver --help`). Where a row says nothing else, the help is that of our option.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from naiad.core.settings.config import options
from naiad.core.settings.options import Option

BOOLEAN, NUMBER, TEXT, SWITCH = "boolean", "integer", "string", "switch"
"""Kinds of values; a switch takes none."""

_NO_GPU = "this server runs models on the CPU"
_NO_POOL = "this server has no memory pools"
_ONE_LOOP = "one event loop serves all connections"


@dataclass(frozen=True, slots=True)
class TritonFlag:
    """One flag of tritonserver."""

    name: str
    """Without the dashes."""
    kind: str
    help: str
    field: str = ""
    """The option of ours that it sets; empty: it does more than that, or nothing."""
    no_effect: str = ""
    """Why the flag is accepted but changes nothing here."""
    harmless: tuple[str, ...] = ()
    """Values (in lower case) that ask for what happens anyway, and deserve no warning."""
    is_repeatable: bool = False
    choices: tuple[str, ...] = ()
    """Matched in any case."""
    least: int | None = None
    """Smaller numbers mean this one, as in Triton."""


_OWN_HELP = {option.name: option.help for option in options()}


def _sets(
    name: str, kind: str, field: str, help_text: str = "", *, least: int | None = None, choices: tuple[str, ...] = ()
) -> TritonFlag:
    return TritonFlag(name, kind, help_text or _OWN_HELP[field], field, least=least, choices=choices)


def _repeats(name: str, field: str, more: str = "") -> TritonFlag:
    return TritonFlag(name, TEXT, _OWN_HELP[field] + more, field, is_repeatable=True)


def _ours(option: Option) -> TritonFlag:
    """An option of ours under its own name."""
    kinds = {bool: BOOLEAN, int: NUMBER, float: NUMBER}
    kind = kinds.get(type(option.default), TEXT)
    name, is_repeatable = option.flag.removeprefix("--"), isinstance(option.default, tuple)
    return TritonFlag(name, kind, f"{option.help} Not in Triton.", option.name, is_repeatable=is_repeatable)


def _ignored(name: str, kind: str, reason: str, *harmless: str) -> TritonFlag:
    return TritonFlag(name, kind, f"No effect: {reason}.", no_effect=reason, harmless=harmless, is_repeatable=True)


FLAGS: dict[str, tuple[TritonFlag, ...]] = {
    "Server": (
        _sets("id", TEXT, "server_name", "Server name in the metadata."),
        _sets("exit-timeout-secs", NUMBER, "drain_timeout_s", least=0),
        _sets("lame-duck-secs", NUMBER, "lame_duck_s", f"{_OWN_HELP['lame_duck_s']} Not in Triton.", least=0),
        _sets("allow-setting-changes", BOOLEAN, "allow_setting_changes",
              "Let clients change log and trace settings, as in Triton; false closes that. Not in Triton."),
    ),
    "Logging": (
        _sets("log-verbose", NUMBER, "log_verbose", "Verbose logging: 0 or false is off, 1 or more or true is on."),
        _sets("log-info", BOOLEAN, "log_info", "Log messages of level info."),
        _sets("log-warning", BOOLEAN, "log_warning", "Log messages of level warning."),
        _sets("log-error", BOOLEAN, "log_error", "Log messages of level error."),
        _sets("log-format", TEXT, "log_format", "Log format: default or ISO8601.", choices=("default", "iso8601")),
        _sets("log-file", TEXT, "log_file", "Append log lines to this file instead of writing them to the console."),
    ),
    "Model Repository": (
        TritonFlag(
            "model-repository",
            TEXT,
            "Folder of models, or its address, such as s3://bucket/models. Required; can be repeated.",
            is_repeatable=True,
        ),
        TritonFlag("model-store", TEXT, "The same as --model-repository.", is_repeatable=True),
        TritonFlag(
            "manifest",
            TEXT,
            "File that lists further models (naiad.yaml or hfmodels.json); --model-repository may then be left out. "
            "Not in Triton.",
        ),
        _sets("exit-on-error", BOOLEAN, "exit_on_error"),
        TritonFlag("disable-auto-complete-config", SWITCH, "Do not complete configurations from the model file."),
        _sets("strict-readiness", BOOLEAN, "strict_readiness"),
        _sets("model-control-mode", TEXT, "model_control_mode", choices=("none", "poll", "explicit")),
        _sets("repository-poll-secs", NUMBER, "repository_poll_s"),
        _repeats("load-model", "load_model"),
        _sets("model-config-name", TEXT, "model_config_name"),
        _sets("model-load-thread-count", NUMBER, "load_threads", least=1),
        _sets("model-load-retry-count", NUMBER, "load_retries", least=0),
        _sets(
            "join-waiting",
            BOOLEAN,
            "join_waiting",
            "Batch the waiting requests of models without dynamic_batching, too. Not in Triton.",
        ),
        _sets(
            "adaptive-batching",
            BOOLEAN,
            "adaptive_batching",
            "Let models without a queue delay wait for requests that are expected soon. Not in Triton.",
        ),
        _sets(
            "allow-gpu-kind-on-cpu",
            BOOLEAN,
            "allow_gpu_kind_on_cpu",
            f"{_OWN_HELP['allow_gpu_kind_on_cpu']} Not in Triton.",
        ),
        _ignored("model-namespacing", BOOLEAN, "models of one name in two repositories are not served", "false"),
        _ignored("enable-peer-access", BOOLEAN, _NO_GPU, "true", "false"),
    ),
    "Shared Memory": (
        _sets("allow-client-shm", BOOLEAN, "allow_client_shm"),
    ),
    "HTTP": (
        _sets("allow-http", BOOLEAN, "allow_http"),
        _sets("http-address", TEXT, "http_host", "Address to listen on for HTTP."),
        _sets("http-port", NUMBER, "http_port"),
        _sets("reuse-http-port", BOOLEAN, "reuse_http_port"),
        _sets("http-header-forward-pattern", TEXT, "http_header_forward_pattern"),
        _sets("http-max-input-size", NUMBER, "http_max_input_size"),
        _ignored("http-thread-count", NUMBER, _ONE_LOOP),
        _repeats("http-restricted-api", "http_restricted_api"),
        _repeats("http-allowed-origin", "http_allowed_origin", " Not in Triton."),
        _sets("http-tls-cert", TEXT, "http_tls_cert", "Certificate (PEM); turns on HTTPS. Not in Triton."),
        _sets("http-tls-key", TEXT, "http_tls_key", "Private key (PEM). Not in Triton."),
        _sets("http-tls-client-ca", TEXT, "http_tls_client_ca", "Authority of client certs (PEM). Not in Triton."),
    ),
    "GRPC": (
        _sets("allow-grpc", BOOLEAN, "allow_grpc"),
        _sets("grpc-address", TEXT, "grpc_host", "Address to listen on for gRPC."),
        _sets("grpc-port", NUMBER, "grpc_port"),
        _sets("reuse-grpc-port", BOOLEAN, "reuse_grpc_port"),
        _sets("grpc-header-forward-pattern", TEXT, "grpc_header_forward_pattern"),
        _ignored("grpc-infer-thread-count", NUMBER, _ONE_LOOP),
        _ignored("grpc-infer-allocation-pool-size", NUMBER, _NO_POOL),
        _ignored("grpc-max-response-pool-size", NUMBER, _NO_POOL),
        TritonFlag("grpc-use-ssl", BOOLEAN, "Serve gRPC over TLS."),
        TritonFlag("grpc-use-ssl-mutual", BOOLEAN, "Serve gRPC over TLS and require client certificates."),
        TritonFlag("grpc-server-cert", TEXT, "Certificate (PEM), with --grpc-use-ssl."),
        TritonFlag("grpc-server-key", TEXT, "Private key (PEM), with --grpc-use-ssl."),
        TritonFlag("grpc-root-cert", TEXT, "Authority of client certificates (PEM), with --grpc-use-ssl-mutual."),
        _sets("grpc-infer-response-compression-level", TEXT, "grpc_infer_response_compression_level",
              choices=("none", "low", "medium", "high")),
        _sets("grpc-keepalive-time", NUMBER, "grpc_keepalive_time"),
        _sets("grpc-keepalive-timeout", NUMBER, "grpc_keepalive_timeout"),
        _sets("grpc-keepalive-permit-without-calls", BOOLEAN, "grpc_keepalive_permit_without_calls"),
        _sets("grpc-http2-max-pings-without-data", NUMBER, "grpc_http2_max_pings_without_data"),
        _sets("grpc-http2-min-recv-ping-interval-without-data", NUMBER,
              "grpc_http2_min_recv_ping_interval_without_data"),
        _sets("grpc-http2-max-ping-strikes", NUMBER, "grpc_http2_max_ping_strikes"),
        _sets("grpc-max-connection-age", NUMBER, "grpc_max_connection_age", least=0),
        _sets("grpc-max-connection-age-grace", NUMBER, "grpc_max_connection_age_grace", least=0),
        _repeats("grpc-restricted-protocol", "grpc_restricted_protocol"),
    ),
    "Sagemaker": (
        _ignored("allow-sagemaker", BOOLEAN, "SageMaker's API is not served", "false"),
        _ignored("sagemaker-port", NUMBER, "SageMaker's API is not served"),
        _ignored("sagemaker-safe-port-range", TEXT, "SageMaker's API is not served"),
        _ignored("sagemaker-thread-count", NUMBER, "SageMaker's API is not served"),
    ),
    "Vertex": (
        _ignored("allow-vertex-ai", BOOLEAN, "Vertex AI's API is not served", "false"),
        _ignored("vertex-ai-port", NUMBER, "Vertex AI's API is not served"),
        _ignored("vertex-ai-thread-count", NUMBER, "Vertex AI's API is not served"),
        _ignored("vertex-ai-default-model", TEXT, "Vertex AI's API is not served"),
    ),
    "Metrics": (
        _sets("allow-metrics", BOOLEAN, "allow_metrics"),
        _ignored("allow-gpu-metrics", BOOLEAN, _NO_GPU, "true", "false"),
        _sets("allow-cpu-metrics", BOOLEAN, "allow_cpu_metrics"),
        _sets("metrics-address", TEXT, "metrics_host",
              "Address to listen on for metrics; if empty, that of --http-address."),
        _sets("metrics-port", NUMBER, "metrics_port"),
        _ignored("metrics-interval-ms", TEXT, "metrics are collected when they are requested"),
        _repeats("metrics-config", "metrics_config"),
    ),
    "Jobs": tuple(_ours(option) for option in options() if option.group == "Jobs"),
    "Tracing": (
        _repeats("trace-config", "trace_config"),
    ),
    "Backend": (
        _sets("backend-directory", TEXT, "backend_directory"),
        _repeats("backend-config", "backend_config"),
    ),
    "Repository Agent": (
        _ignored("repoagent-directory", TEXT, "there are no repository agents here"),
    ),
    "Response Cache": (
        _repeats("cache-config", "cache_config"),
        _ignored("cache-directory", TEXT, "the cache is part of this server"),
    ),
    "Rate Limiter": (
        _sets("rate-limit", TEXT, "rate_limit", choices=("off", "execution_count")),
        _repeats("rate-limit-resource", "rate_limit_resource"),
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
        TritonFlag("strict-model-config", BOOLEAN, "Use --disable-auto-complete-config."),
        TritonFlag("response-cache-byte-size", NUMBER, "Use --cache-config local,size=NUMBER."),
        TritonFlag("trace-file", TEXT, "Use --trace-config triton,file=FILE."),
        TritonFlag("trace-level", TEXT, "Use --trace-config level=LEVEL.", is_repeatable=True),
        TritonFlag("trace-rate", NUMBER, "Use --trace-config rate=NUMBER."),
        TritonFlag("trace-count", NUMBER, "Use --trace-config count=NUMBER."),
        TritonFlag("trace-log-frequency", NUMBER, "Use --trace-config triton,log-frequency=NUMBER."),
    ),
}  # fmt: skip
"""By section of tritonserver's help."""

REPLACED = {
    "trace-file": "triton,file",
    "trace-level": "level",
    "trace-rate": "rate",
    "trace-count": "count",
    "trace-log-frequency": "triton,log-frequency",
}
"""Deprecated flags, and the setting of --trace-config that replaces each."""

DEFAULTS = {
    "host": ("0.0.0.0",),  # noqa: S104 - Triton's
    "allow_setting_changes": True,
    "http_head": False,
    "exit_on_error": True,
    "require_all_versions": True,
    "join_waiting": False,
    "adaptive_batching": False,
    "run_ahead": False,
    "log_format": "default",
    "grpc_max_input_size": 2**31 - 1,
}
"""Where Triton's defaults differ from ours."""


def all_flags() -> Iterator[TritonFlag]:
    """Yield every flag, in the order of the help."""
    for flags in FLAGS.values():
        yield from flags
