"""The server's options, each written once: the flag, the environment variable, `--help` and the reference are derived.

Values are checked when the object is made. The order default < environment < flag is the command line's business.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from naiad.core.errors import InvalidConfiguration

LOG_FORMATS = ("auto", "text", "json")
GRPC_TRANSPORTS = ("http2", "aio")
LOG_LEVELS = ("debug", "info", "warning", "error")


def _option(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server runs; which models it serves is the manifest's business."""

    host: str = _option("127.0.0.1", "Address to listen on; 0.0.0.0 opens the server to the network.")
    http_port: int = _option(8000, "Port of the v2 HTTP door; 0 lets the system choose.")
    grpc_port: int = _option(8001, "Port of the gRPC door; 0 lets the system choose.")
    metrics_port: int = _option(8002, "Port of /metrics; 0 lets the system choose.")
    server_name: str = _option("triton", "Name in the server metadata; clients of Triton compare it.")
    http_max_input_size: int = _option(64 * 1024 * 1024, "Bytes that one request body may have.")
    grpc_max_input_size: int = _option(64 * 1024 * 1024, "Bytes that one gRPC request message may have.")
    grpc_transport: str = _option("http2", "http2 (our own, the fast one) or aio (grpcio's, the plain twin).")
    exit_on_error: bool = _option(False, "Exit with status 1 when any model cannot be loaded.")
    drain_timeout_s: float = _option(30.0, "Seconds that running requests get to finish after SIGTERM.")
    load_threads: int = _option(4, "Models loaded at the same time.")
    max_waiting: int = _option(65536, "Requests (of text models: texts) that may wait for one model.")
    instances: int = _option(0, "Loaded copies of each text model; 0: one for each core.")
    batching: bool = _option(True, "Join waiting requests; off runs every request alone.")
    quantize: str = _option("none", "none or int8, for models whose entry says nothing.")
    allow_gpu_kind_on_cpu: bool = _option(
        True, "Serve models that ask for KIND_GPU on the CPU instead of refusing them."
    )
    log_level: str = _option("info", "debug, info, warning or error.")
    log_format: str = _option("auto", "auto, text or json; auto is text in a terminal and json elsewhere.")

    def __post_init__(self) -> None:
        for name in ("http_port", "grpc_port", "metrics_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise InvalidConfiguration(f"{flag(name)} must be between 0 and 65535, not {getattr(self, name)}")
        ports = [port for port in (self.http_port, self.grpc_port, self.metrics_port) if port]
        if len(set(ports)) != len(ports):
            raise InvalidConfiguration(f"--http-port, --grpc-port and --metrics-port must differ, not {ports}")
        for name in ("http_max_input_size", "grpc_max_input_size", "load_threads", "max_waiting"):
            if getattr(self, name) < 1:
                raise InvalidConfiguration(f"{flag(name)} must be at least 1, not {getattr(self, name)}")
        for name in ("drain_timeout_s", "instances"):
            if getattr(self, name) < 0:
                raise InvalidConfiguration(f"{flag(name)} must not be negative, but is {getattr(self, name)}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InvalidConfiguration(
                    f"{flag(name)} must be one of {', '.join(allowed)}, not '{getattr(self, name)}'"
                )


_CHOICES = {
    "grpc_transport": GRPC_TRANSPORTS,
    "log_level": LOG_LEVELS,
    "log_format": LOG_FORMATS,
    "quantize": ("none", "int8"),
}


def flag(name: str) -> str:
    """Return the command-line flag of an option."""
    return "--" + name.replace("_", "-")


def environment_variable(name: str) -> str:
    """Return the environment variable of an option."""
    return "NAIAD_" + name.upper()


def options() -> tuple[Field[Any], ...]:
    """Return every option, in the order of the reference."""
    return fields(ServerSettings)
