"""The server's options, each written once: the flag, the environment variable, `--help` and the reference are derived.

Values are checked when the object is made, by what each option says of itself; here are only the words and the values.
The order default < environment < flag is the command line's business.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from naiad.core.errors import InvalidConfiguration

GROUPS = ("General", "HTTP", "gRPC", "Metrics", "Models", "Shared memory", "Limits", "Logging", "Tracing")
"""Sections of `--help` and of the reference, in their order."""

DOORS = ("http", "grpc", "metrics")
GRPC_TRANSPORTS = ("http2", "aio")


def _option(
    default: Any,
    help_text: str,
    *,
    group: str = "General",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    is_secret: bool = False,
) -> Any:
    """Describe an option. A tuple may be given more than once; least and most are the values allowed."""
    metadata = {"help": help_text, "group": group, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=metadata, repr=not is_secret)


def _limit(default: float, help_text: str) -> Any:
    """Describe a bound, of which there is always one."""
    return _option(default, help_text, group="Limits", least=1 if isinstance(default, int) else 0.01)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server runs; which models it serves is the manifest's business."""

    host: tuple[str, ...] = _option(
        ("127.0.0.1",), "Address to listen on; 0.0.0.0 opens the server to the network, :: by IPv6 and IPv4."
    )
    server_name: str = _option("triton", "Name in the server metadata; clients of Triton compare it.")
    exit_on_error: bool = _option(False, "Exit with status 1 when any model cannot be loaded.")
    drain_timeout_s: float = _option(30.0, "Seconds that running requests get to finish after SIGTERM.", least=0)

    allow_http: bool = _option(True, "Open the HTTP door.", group="HTTP")
    http_host: str = _option("", "Address of the HTTP door; empty: --host.", group="HTTP")
    http_port: int = _option(
        8000, "Port of the HTTP door; 0 lets the system choose.", group="HTTP", least=0, most=65535
    )
    http_head: bool = _option(True, "Answer HEAD on the health routes, as uptime checks send it.", group="HTTP")
    reuse_http_port: bool = _option(False, "Let several servers share the HTTP port.", group="HTTP")
    http_max_input_size: int = _option(
        64 * 1024 * 1024,
        "Bytes that one request body may have, decompressed, without a binary tail.",
        group="HTTP",
        least=1,
    )
    http_tls_cert: str = _option("", "Certificate file (PEM, with its chain); serves HTTPS.", group="HTTP")
    http_tls_key: str = _option("", "Private key file (PEM, without a passphrase).", group="HTTP")
    http_tls_client_ca: str = _option("", "Ask clients for a certificate that one in this file signed.", group="HTTP")
    http_restricted_api: tuple[str, ...] = _option(
        (), "CATEGORY[,CATEGORY...]:HEADER=VALUE: requests must carry the header.", group="HTTP", is_secret=True
    )
    http_header_forward_pattern: str = _option(
        "", "Headers whose name matches, in any case and anywhere, become request parameters.", group="HTTP"
    )

    allow_grpc: bool = _option(True, "Open the gRPC door.", group="gRPC")
    grpc_host: str = _option("", "Address of the gRPC door; empty: --host.", group="gRPC")
    grpc_port: int = _option(
        8001, "Port of the gRPC door; 0 lets the system choose.", group="gRPC", least=0, most=65535
    )
    reuse_grpc_port: bool = _option(False, "Let several servers share the gRPC port.", group="gRPC")
    grpc_max_input_size: int = _option(
        64 * 1024 * 1024, "Bytes that one gRPC request message may have.", group="gRPC", least=1
    )
    grpc_transport: str = _option(
        "http2",
        "http2 (our own, the fast one) or aio (grpcio's, the plain twin).",
        group="gRPC",
        choices=GRPC_TRANSPORTS,
    )
    grpc_tls_cert: str = _option("", "Certificate file (PEM, with its chain); serves gRPC over TLS.", group="gRPC")
    grpc_tls_key: str = _option("", "Private key file (PEM, without a passphrase).", group="gRPC")
    grpc_tls_client_ca: str = _option("", "Ask clients for a certificate that one in this file signed.", group="gRPC")
    grpc_restricted_protocol: tuple[str, ...] = _option(
        (),
        "CATEGORY[,CATEGORY...]:KEY=VALUE: calls must carry the metadata triton-grpc-protocol-KEY.",
        group="gRPC",
        is_secret=True,
    )
    grpc_header_forward_pattern: str = _option(
        "", "Metadata whose name matches, in any case and anywhere, become request parameters.", group="gRPC"
    )
    grpc_infer_response_compression_level: str = _option(
        "none",
        "Compress inference answers for clients that take it: low is gzip, medium and high are deflate.",
        group="gRPC",
        choices=("none", "low", "medium", "high"),
    )
    grpc_keepalive_time: int = _option(
        7_200_000, "Milliseconds of silence after which a client is asked by PING.", group="gRPC", least=1
    )
    grpc_keepalive_timeout: int = _option(
        20_000, "Milliseconds that the client then has to answer.", group="gRPC", least=1
    )
    grpc_keepalive_permit_without_calls: bool = _option(
        False, "Ask clients without calls, too, and let them ask as often as those with calls.", group="gRPC"
    )
    grpc_http2_max_pings_without_data: int = _option(
        2, "Times that a client is asked before there is something to send it again; 0: any.", group="gRPC", least=0
    )
    grpc_http2_min_recv_ping_interval_without_data: int = _option(
        300_000, "Milliseconds between two PINGs of a client that gets no answers meanwhile.", group="gRPC", least=0
    )
    grpc_http2_max_ping_strikes: int = _option(
        2, "Times that a client may ask too early before it is disconnected; 0: any.", group="gRPC", least=0
    )
    grpc_max_connection_age: int = _option(
        0, "Milliseconds after which a connection takes no more calls; 0: never.", group="gRPC", least=0
    )
    grpc_max_connection_age_grace: int = _option(
        0, "Milliseconds that the calls of such a connection get to finish; 0: any.", group="gRPC", least=0
    )

    allow_metrics: bool = _option(True, "Open the metrics door.", group="Metrics")
    metrics_host: str = _option("", "Address of the metrics door; empty: --http-host, or --host.", group="Metrics")
    metrics_port: int = _option(
        8002, "Port of /metrics; 0 lets the system choose.", group="Metrics", least=0, most=65535
    )
    metrics_tls: bool = _option(False, "Serve /metrics with the HTTP door's certificate.", group="Metrics")

    model_control_mode: str = _option(
        "none",
        "none: load everything at start; explicit: what is asked for; poll: follow changes of the folders.",
        group="Models",
        choices=("none", "explicit", "poll"),
    )
    load_model: tuple[str, ...] = _option(
        (), "Model to load at start in explicit mode, by name; * alone loads all.", group="Models"
    )
    repository_poll_s: float = _option(
        15.0, "Seconds between two looks at the folders in poll mode.", group="Models", least=0.001
    )
    strict_readiness: bool = _option(
        True, "Be ready only when every model is; off: when the server answers at all.", group="Models"
    )
    load_retries: int = _option(
        0, "Further attempts to load a model version that failed to load.", group="Models", least=0
    )
    model_config_name: str = _option(
        "", "Read a model's configs/NAME.pbtxt instead of its config.pbtxt, where there is one.", group="Models"
    )
    auto_complete_config: bool = _option(
        True, "Fill in from the model file what its configuration leaves open.", group="Models"
    )
    backend_config: tuple[str, ...] = _option(
        (), "Setting of a backend, as BACKEND,KEY=VALUE, or of all, as KEY=VALUE.", group="Models"
    )
    allow_code_upload: bool = _option(
        False,
        "Take files that can run code (.py, .so ...) over the network when models are loaded with files.",
        group="Models",
    )
    model_upload_max_size: int = _option(
        64 * 1024 * 1024,
        "Bytes that the files sent along with one load of a model may have together.",
        group="Models",
        least=1,
    )
    load_threads: int = _option(4, "Models loaded at the same time.", group="Models", least=1)
    max_waiting: int = _option(
        65536, "Requests (of text models: texts) that may wait for one model.", group="Models", least=1
    )
    instances: int = _option(0, "Loaded copies of each text model; 0: one for each core.", group="Models", least=0)
    batching: bool = _option(True, "Join waiting requests; off runs every request alone.", group="Models")
    quantize: str = _option(
        "none", "none or int8, for models whose entry says nothing.", group="Models", choices=("none", "int8")
    )
    allow_gpu_kind_on_cpu: bool = _option(
        True, "Serve models that ask for KIND_GPU on the CPU instead of refusing them.", group="Models"
    )

    allow_client_shm: bool = _option(
        False,
        "Let clients register shared memory of this machine, and point requests into it.",
        group="Shared memory",
    )

    max_connections: int = _limit(10_000, "Connections that each door keeps; more are answered 503, or sent away.")
    max_json_depth: int = _limit(100, "Nesting of a JSON body.")
    max_json_values: int = _limit(2**23, "Values of a JSON body, by its commas and brackets.")
    max_tensors: int = _limit(1024, "Inputs, and outputs, that one request may name.")
    max_parameters: int = _limit(1024, "Parameters that one request may have.")
    max_string_elements: int = _limit(2**22, "Elements of one BYTES tensor.")
    max_string_size: int = _limit(64 * 1024 * 1024, "Bytes of one BYTES element.")
    max_request_id_length: int = _limit(4096, "Characters of a request's id.")
    max_name_length: int = _limit(1024, "Characters of the name of a model, a tensor or a parameter.")
    max_texts: int = _limit(16_384, "Texts of one request to the OpenAI routes.")
    max_tokens: int = _limit(2**22, "Token ids of one request to the OpenAI routes, padded to the longest.")
    http_max_binary_size: int = _limit(2**30, "Bytes that a body may have when a binary tail follows its JSON.")
    http_max_receiving_size: int = _limit(2**31, "Bytes of unfinished bodies on all HTTP connections together.")
    http_max_header_size: int = _limit(64 * 1024, "Bytes of a request line and its headers.")
    http_max_target_size: int = _limit(8192, "Bytes of a request's path and query.")
    http_max_headers: int = _limit(256, "Headers of one request.")
    http_max_chunks: int = _limit(65_536, "Non-empty chunks of a chunked body.")
    http_max_pipelined: int = _limit(128, "Requests of one connection under way; those behind them wait.")
    http_max_unsent_size: int = _limit(2**28, "Bytes of a stream that may wait for a client that does not read.")
    http_header_timeout_s: float = _limit(30.0, "Seconds that a request's headers may take to arrive.")
    http_body_timeout_s: float = _limit(60.0, "Seconds that a body may take, besides what --http-min-body-rate gives.")
    http_min_body_rate: int = _limit(500, "Bytes a second; so long may a long body take.")
    http_idle_timeout_s: float = _limit(620.0, "Seconds until an unused connection is closed.")
    http_write_timeout_s: float = _limit(60.0, "Seconds that a client may leave its answers unread.")
    grpc_max_stream_requests: int = _limit(65_536, "Requests of one gRPC stream that may wait for their answers.")
    grpc_max_concurrent_streams: int = _limit(1000, "Calls of one gRPC connection at the same time.")
    grpc_max_header_size: int = _limit(64 * 1024, "Bytes of one call's metadata, with 32 for each entry.")

    log_level: str = _option(
        "info", "debug, info, warning or error.", group="Logging", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _option(
        "auto",
        "auto, text, json, or Triton's lines: default, iso8601; auto is text in a terminal and json elsewhere.",
        group="Logging",
        choices=("auto", "text", "json", "default", "iso8601"),
    )
    log_verbose: int = _option(0, "Triton's verbosity; 1 or more says as much as debug.", group="Logging", least=0)
    log_info: bool = _option(True, "Write lines of level info, if --log-level has them.", group="Logging")
    log_warning: bool = _option(True, "Write lines of level warning, if --log-level has them.", group="Logging")
    log_error: bool = _option(True, "Write lines of level error.", group="Logging")
    log_file: str = _option("", "File to append log lines to, instead of stderr.", group="Logging")
    trace_config: tuple[str, ...] = _option(
        (),
        "Trace requests: rate=N, level=TIMESTAMPS|TENSORS, count=N, mode=triton|opentelemetry; "
        "triton,file=PATH, triton,log-frequency=N; opentelemetry,url=URL, opentelemetry,resource=KEY=VALUE.",
        group="Tracing",
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            _check(option.name, getattr(self, option.name), option.metadata)
        if isinstance(self.host, str):  # a program that names one address need not make a tuple of it
            object.__setattr__(self, "host", (self.host,))
        if not self.host or "" in self.host:
            raise InvalidConfiguration("--host must not be empty; 0.0.0.0 means every address of this machine")
        fixed = [
            (host, self.port_of(door))
            for door in DOORS
            for host in self.hosts_of(door)
            if getattr(self, f"allow_{door}") and self.port_of(door)
        ]
        if len(set(fixed)) != len(fixed):
            ports = [self.port_of(door) for door in DOORS if getattr(self, f"allow_{door}")]
            raise InvalidConfiguration(f"--http-port, --grpc-port and --metrics-port must differ, not {ports}")
        if self.load_model and self.model_control_mode != "explicit":
            raise InvalidConfiguration(
                "Use of '--load-model' requires setting '--model-control-mode=explicit' as well."
            )

    def hosts_of(self, door: str) -> tuple[str, ...]:
        """Return the addresses that a door of DOORS listens on, each once, without the brackets of URLs."""
        own = getattr(self, f"{door}_host") or (self.http_host if door == "metrics" else "")
        return tuple(dict.fromkeys(host.strip("[]") for host in ((own,) if own else self.host)))

    def port_of(self, door: str) -> int:
        """Return the port that a door of DOORS listens on; 0: the system chooses."""
        port: int = getattr(self, f"{door}_port")
        return port


def _check(name: str, value: Any, rules: Any) -> None:
    least, most = rules["least"], rules["most"]
    if (least is not None and value < least) or (most is not None and value > most):
        raise InvalidConfiguration(f"{flag(name)} must {_allowed(least, most)}, not {value}")
    if rules["choices"] and value not in rules["choices"]:
        raise InvalidConfiguration(f"{flag(name)} must be one of {', '.join(rules['choices'])}, not '{value}'")


def _allowed(least: float, most: float | None) -> str:
    if most is not None:
        return f"be between {least} and {most}"
    return f"be at least {least}" if least else "not be negative"


def flag(name: str) -> str:
    """Return the command-line flag of an option."""
    return "--" + name.replace("_", "-")


def environment_variable(name: str) -> str:
    """Return the environment variable of an option."""
    return "NAIAD_" + name.upper()


def options() -> tuple[Field[Any], ...]:
    """Return every option, in the order of the reference: by group, then as written."""
    return tuple(sorted(fields(ServerSettings), key=lambda option: GROUPS.index(option.metadata["group"])))
