"""Every option of the server, each written once, in the settings of the part that it belongs to.

`doors.py` has those of the doors, and `options.py` says what is derived from a declaration. The order default <
environment < flag is the command line's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from naiad.core.errors import InvalidConfiguration
from naiad.core.settings.doors import DoorSettings, GrpcSettings, HttpSettings, MetricsSettings
from naiad.core.settings.jobs import JobSettings
from naiad.core.settings.options import Option, Settings, limit, option
from naiad.core.user_code.application import ApplicationSettings

GROUPS = (
    "General",
    "HTTP",
    "gRPC",
    "Metrics",
    "Models",
    "Applications",
    "Rate limiter",
    "Response cache",
    "Shared memory",
    "Jobs",
    "Limits",
    "Logging",
    "Tracing",
)
"""Sections of `--help` and of the reference, in their order."""

_models = partial(option, group="Models")
_log = partial(option, group="Logging")


@dataclass(frozen=True, slots=True)
class RequestSettings(Settings):
    """What one request may hold, whichever door it comes through."""

    max_json_depth: int = limit("max_json_depth", 100, "Maximum nesting depth of a JSON body.")
    max_json_values: int = limit(
        "max_json_values", 2**24, "Maximum number of values in a JSON body, counted by commas and brackets."
    )
    max_tensors: int = limit("max_tensors", 1024, "Maximum number of inputs, and of outputs, in one request.")
    max_parameters: int = limit("max_parameters", 1024, "Maximum number of parameters in one request.")
    max_string_elements: int = limit("max_string_elements", 2**24, "Maximum number of elements in one BYTES tensor.")
    max_string_size: int = limit("max_string_size", 64 * 1024 * 1024, "Maximum size of one BYTES element in bytes.")
    max_request_id_length: int = limit("max_request_id_length", 4096, "Maximum length of a request ID in characters.")
    max_name_length: int = limit(
        "max_name_length", 1024, "Maximum length of a model, tensor or parameter name in characters."
    )
    max_texts: int = limit("max_texts", 16_384, "Maximum number of texts in one request to the OpenAI routes.")
    max_tokens: int = limit(
        "max_tokens", 2**22, "Maximum number of token IDs in one request to the OpenAI routes, counting padding."
    )


@dataclass(frozen=True, slots=True)
class ModelSettings(Settings):
    """How models are loaded and run; which ones is the manifest's business."""

    control_mode: str = _models(
        "model_control_mode",
        "none",
        "When to load models: none (at start), explicit (on request) or poll (at start and when their folders change).",
        choices=("none", "explicit", "poll"),
    )
    load_model: tuple[str, ...] = _models(
        "load_model", (), "Model to load at start in explicit mode, by name; * alone loads all."
    )
    repository_poll_s: float = _models(
        "repository_poll_s", 15.0, "Seconds between checks of the folders in poll mode.", least=0.001
    )
    strict_readiness: bool = _models(
        "strict_readiness", True, "Report ready only when every model is; if off, as soon as the server responds."
    )
    require_all_versions: bool = _models(
        "require_all_versions",
        False,
        "Serve none of a new model's versions if one of them cannot be loaded; if off, serve the others.",
    )
    load_retries: int = _models("load_retries", 0, "Times to try again when a model version fails to load.", least=0)
    config_name: str = _models(
        "model_config_name", "", "Read a model's configs/NAME.pbtxt, if it exists, instead of its config.pbtxt."
    )
    auto_complete_config: bool = _models(
        "auto_complete_config", True, "Fill in from the model file what its configuration leaves out."
    )
    backend_config: tuple[str, ...] = _models(
        "backend_config", (), "Setting for a backend, as BACKEND,KEY=VALUE, or for all of them, as KEY=VALUE."
    )
    backend_directory: str = _models(
        "backend_directory",
        "",
        "Folder of backends that are Python code: NAME/model.py there runs the models whose backend is NAME.",
    )
    allow_code_upload: bool = _models(
        "allow_code_upload", False, "Accept uploaded model files that can run code (.py, .so ...)."
    )
    upload_max_size: int = _models(
        "model_upload_max_size",
        64 * 1024 * 1024,
        "Maximum size in bytes of all the files uploaded to load one model.",
        least=1,
    )
    load_threads: int = _models("load_threads", 4, "Models to load at the same time.", least=1)
    max_waiting: int = _models(
        "max_waiting", 65536, "Maximum number of requests (for text models: texts) waiting for one model.", least=1
    )
    instances: int = _models("instances", 0, "Loaded copies of each text model; 0: one per core.", least=0)
    batching: bool = _models("batching", True, "Batch waiting requests; if off, every request runs alone.")
    join_waiting: bool = _models(
        "join_waiting",
        True,
        "Batch the waiting requests of models without dynamic_batching, too, up to their max_batch_size.",
    )
    adaptive_batching: bool = _models(
        "adaptive_batching",
        True,
        "Let models without a queue delay wait for requests that are expected soon, where that answers all of them "
        "sooner; if off, they wait for none.",
    )
    run_ahead: bool = _models(
        "run_ahead", True, "Give a busy instance of a tensor model its next full batch before it is free."
    )
    hang_timeout_s: float = _models(
        "model_hang_timeout",
        0.0,
        "Seconds after which a Python model that does not answer is ended and started again; 0: it is never ended.",
        least=0,
    )
    quantize: str = _models(
        "quantize",
        "none",
        "Quantization of models whose manifest entry does not say: none or int8.",
        choices=("none", "int8"),
    )
    metrics_config: tuple[str, ...] = option(
        "metrics_config",
        (),
        "Latency metrics, as SETTING=VALUE: counter_latencies, summary_latencies or histogram_latencies=true|false; "
        "summary_quantiles=QUANTILE:ERROR[,QUANTILE:ERROR...].",
        group="Metrics",
    )
    rate_limit: str = option(
        "rate_limit",
        "off",
        "execution_count: executions wait for the resources that their instance_group's rate_limiter asks for, the "
        "instances that have run least going first; off: instances run whenever they are free.",
        group="Rate limiter",
        choices=("off", "execution_count"),
    )
    rate_limit_resource: tuple[str, ...] = option(
        "rate_limit_resource",
        (),
        "How many of a resource there are with --rate-limit execution_count, as NAME:COUNT (on each device, or "
        "altogether if it is global) or NAME:COUNT:DEVICE; if none is given, as many of each as one instance needs.",
        group="Rate limiter",
    )
    allow_gpu_kind_on_cpu: bool = _models(
        "allow_gpu_kind_on_cpu",
        True,
        "Serve models that ask for KIND_GPU on the CPU where their backend has no GPU, instead of refusing them.",
    )

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        if self.load_model and self.control_mode != "explicit":
            raise InvalidConfiguration(
                "Use of '--load-model' requires setting '--model-control-mode=explicit' as well."
            )


@dataclass(frozen=True, slots=True)
class LogSettings(Settings):
    """What is logged, how, and where."""

    level: str = _log(
        "log_level",
        "info",
        "Lowest level to log: debug, info, warning or error.",
        choices=("debug", "info", "warning", "error"),
    )
    format: str = _log(
        "log_format",
        "auto",
        "Log format: auto (text in a terminal, otherwise json), text, json, or Triton's default or iso8601.",
        choices=("auto", "text", "json", "default", "iso8601"),
    )
    verbose: int = _log("log_verbose", 0, "Triton's verbosity; 1 or more logs as much as debug.", least=0)
    info: bool = _log("log_info", True, "Log messages of level info, if --log-level includes them.")
    warning: bool = _log("log_warning", True, "Log messages of level warning, if --log-level includes them.")
    error: bool = _log("log_error", True, "Log messages of level error.")
    file: str = _log("log_file", "", "Append log lines to this file instead of writing them to stderr.")
    escape: bool = _log(
        "log_escape",
        True,
        "Write messages in Triton's formats as JSON strings; if off, clients can forge lines of the log.",
    )


@dataclass(frozen=True, slots=True)
class ServerSettings(Settings):
    """How a server runs; which models it serves is the manifest's business."""

    host: tuple[str, ...] = option(
        "host",
        ("127.0.0.1",),
        "Address to listen on; 0.0.0.0 opens the server to the network over IPv4, :: over IPv6 and IPv4.",
    )
    server_name: str = option("server_name", "triton", "Name in the server metadata, which Triton's clients check.")
    exit_on_error: bool = option("exit_on_error", False, "Exit with status 1 if any model cannot be loaded.")
    drain_timeout_s: float = option(
        "drain_timeout_s", 30.0, "Seconds to let running requests finish after SIGTERM.", least=0
    )
    lame_duck_s: float = option(
        "lame_duck_s",
        0.0,
        "Seconds to go on accepting requests after SIGTERM, no longer ready, so that load balancers can notice first.",
        least=0,
    )
    cache_config: tuple[str, ...] = option(
        "cache_config",
        (),
        "Keep the answers of models that ask for it: local,size=BYTES of memory; local,ttl=SECONDS bounds their age. "
        "Or in Redis, shared with other servers: redis,host=NAME, redis,port=PORT, redis,password=TEXT.",
        group="Response cache",
        is_secret=True,
    )
    allow_client_shm: bool = option(
        "allow_client_shm",
        False,
        "Let clients register shared memory of this machine and refer to it in requests.",
        group="Shared memory",
    )
    allow_setting_changes: bool = option(
        "allow_setting_changes",
        False,
        "Let clients change log and trace settings while the server runs; reading them is always allowed.",
    )
    max_connections: int = limit(
        "max_connections",
        10_000,
        "Maximum number of connections to each port; further ones are refused (over HTTP with 503).",
    )
    max_waiting_size: int = option(
        "max_waiting_size",
        0,
        "Maximum size in bytes of all requests and responses that wait; 0: a quarter of the memory there is to use.",
        group="Limits",
        least=0,
    )
    max_connection_waiting_size: int = option(
        "max_connection_waiting_size",
        0,
        "Maximum size in bytes of what waits for one connection; 0: half of --max-waiting-size.",
        group="Limits",
        least=0,
    )
    trace_config: tuple[str, ...] = option(
        "trace_config",
        (),
        "Trace requests: rate=N, level=TIMESTAMPS|TENSORS, count=N, mode=triton|opentelemetry; "
        "triton,file=PATH, triton,log-frequency=N; opentelemetry,url=URL, opentelemetry,resource=KEY=VALUE.",
        group="Tracing",
    )
    requests: RequestSettings = field(default_factory=RequestSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    grpc: GrpcSettings = field(default_factory=GrpcSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    application: ApplicationSettings = field(default_factory=ApplicationSettings)
    log: LogSettings = field(default_factory=LogSettings)

    def __post_init__(self) -> None:
        Settings.__post_init__(self)
        if isinstance(self.host, str):  # a program that names one address need not make a tuple of it
            object.__setattr__(self, "host", (self.host,))
        if not self.host or "" in self.host:
            raise InvalidConfiguration("--host must not be empty; 0.0.0.0 means every address of this machine")
        object.__setattr__(self, "http", replace(self.http, hosts=self._hosts(self.http.host)))
        object.__setattr__(self, "grpc", replace(self.grpc, hosts=self._hosts(self.grpc.host)))
        metrics_host = self.metrics.host or self.http.host
        object.__setattr__(self, "metrics", replace(self.metrics, hosts=self._hosts(metrics_host)))
        doors: list[DoorSettings] = [door for door in (self.http, self.grpc, self.metrics) if door.allow]
        fixed = [(host, door.port) for door in doors for host in door.hosts if door.port]
        if len(set(fixed)) != len(fixed):
            ports = [door.port for door in doors]
            raise InvalidConfiguration(f"--http-port, --grpc-port and --metrics-port must differ, not {ports}")

    def _hosts(self, own: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(host.strip("[]") for host in ((own,) if own else self.host)))


def options() -> tuple[Option, ...]:
    """Return every option, in the order of the reference: by group, then as written."""
    return tuple(sorted(ServerSettings.options(), key=lambda one: GROUPS.index(one.group)))
