"""Options of the server by PyTriton's names, which are tritonserver's flags; `naiad triton` knows what each means."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from naiad.cli.triton_arguments import TritonArguments, read_arguments
from naiad.compat.pytriton.exceptions import PyTritonValidationError
from naiad.core.settings.features import Feature
from naiad.repository import ModelEntry

ACCESS_HEADER = "triton-access-token"

_PREFIX = "PYTRITON_TRITON_CONFIG_"
_NUMBERED = re.compile(r"(.+?)_(\d+)")
_PROTECTED = ("shared-memory", "model-repository", "statistics", "trace", "logging")
_DEFAULTS = {"http_address": "127.0.0.1", "grpc_address": "127.0.0.1"}
"""Where nothing is said: ours, so that nothing is open to the network that nobody has opened."""


@dataclass(kw_only=True)
class TritonConfig:
    """How the server runs; None: its default. Addresses are loopback unless given, where PyTriton opens all."""

    model_repository: Path | None = None
    id: str | None = None
    log_verbose: int | None = None
    log_file: Path | None = None
    exit_timeout_secs: int | None = None
    exit_on_error: bool | None = None
    strict_readiness: bool | None = None
    allow_http: bool | None = None
    http_address: str | None = None
    http_port: int | None = None
    http_header_forward_pattern: str | None = None
    http_thread_count: int | None = None
    http_restricted_api: str | None = None
    allow_grpc: bool | None = None
    grpc_address: str | None = None
    grpc_port: int | None = None
    grpc_header_forward_pattern: str | None = None
    grpc_infer_allocation_pool_size: int | None = None
    grpc_use_ssl: bool | None = None
    grpc_use_ssl_mutual: bool | None = None
    grpc_server_cert: Path | None = None
    grpc_server_key: Path | None = None
    grpc_root_cert: Path | None = None
    grpc_infer_response_compression_level: str | None = None
    grpc_keepalive_time: int | None = None
    grpc_keepalive_timeout: int | None = None
    grpc_keepalive_permit_without_calls: bool | None = None
    grpc_http2_max_pings_without_data: int | None = None
    grpc_http2_min_recv_ping_interval_without_data: int | None = None
    grpc_http2_max_ping_strikes: int | None = None
    grpc_restricted_protocol: str | None = None
    allow_metrics: bool | None = None
    allow_gpu_metrics: bool | None = None
    allow_cpu_metrics: bool | None = None
    metrics_interval_ms: int | None = None
    metrics_port: int | None = None
    metrics_address: str | None = None
    allow_sagemaker: bool | None = None
    sagemaker_port: int | None = None
    sagemaker_safe_port_range: str | None = None
    sagemaker_thread_count: int | None = None
    allow_vertex_ai: bool | None = None
    vertex_ai_port: int | None = None
    vertex_ai_thread_count: int | None = None
    vertex_ai_default_model: str | None = None
    metrics_config: Sequence[str] | None = None
    trace_config: Sequence[str] | None = None
    cache_config: Sequence[str] | None = None
    cache_directory: str | None = None
    buffer_manager_thread_count: int | None = None

    def __post_init__(self) -> None:
        if self.allow_http is False and self.allow_grpc is False:
            raise PyTritonValidationError("The `http` or `grpc` endpoint has to be allowed.")

    def to_dict(self) -> dict[str, Any]:
        """Every option, None included."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Make one of values or of their texts. Raises PyTritonValidationError for an option that there is not."""
        known = {one.name: str(one.type) for one in fields(cls)}
        if unknown := sorted(config.keys() - known.keys()):
            raise PyTritonValidationError(f"there is no option {', '.join(unknown)}; there are {', '.join(known)}")
        return cls(**{name: _cast(known[name], value) for name, value in config.items()})

    @classmethod
    def from_env(cls) -> Self:
        """Make one of the variables PYTRITON_TRITON_CONFIG_…; a list is numbered: …_CACHE_CONFIG_0."""
        config: dict[str, Any] = {}
        for variable in sorted(name for name in os.environ if name.startswith(_PREFIX)):
            name, value = variable.removeprefix(_PREFIX).lower(), os.environ[variable]
            if match := _NUMBERED.fullmatch(name):
                config.setdefault(match[1], []).append(value)
            else:
                config[name] = value
        return cls.from_dict(config)


def _cast(kind: str, value: Any) -> Any:
    if kind.startswith("Sequence"):
        return [value] if isinstance(value, str) else list(value)
    if not isinstance(value, str):
        return value
    if kind.startswith("bool"):
        return value.strip().lower() in ("1", "true", "on", "yes")
    return int(value) if kind.startswith("int") else Path(value) if kind.startswith("Path") else value


@dataclass
class TritonSecurityConfig:
    """What of the server needs a token, sent in the header `triton-access-token`.

    None: shared memory, model control, statistics, trace and log settings, by a token that is made up; []: nothing.
    """

    access_token: str | None = None
    restricted_endpoints: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.restricted_endpoints is None:
            self.restricted_endpoints = list(_PROTECTED)
        known = {feature.value for feature in Feature if feature is not Feature.METRICS}
        if wrong := sorted(set(self.restricted_endpoints) - known):
            raise PyTritonValidationError(
                f"Invalid endpoint names: {', '.join(wrong)}. Valid endpoints are: {', '.join(sorted(known))}"
            )
        if self.access_token is None and self.restricted_endpoints:
            self.access_token = secrets.token_urlsafe(32)

    @property
    def restriction(self) -> str:
        """As the server's option takes it; empty: there is none."""
        if not self.access_token or not self.restricted_endpoints:
            return ""
        return f"{','.join(self.restricted_endpoints)}:{ACCESS_HEADER}={self.access_token}"


def read_config(
    config: TritonConfig | None, security: TritonSecurityConfig
) -> tuple[TritonArguments, tuple[ModelEntry, ...]]:
    """Read the options: those given, then the environment's, then the defaults; and the models of a repository.

    Raises InvalidConfiguration.
    """
    given = {} if config is None else {name: value for name, value in config.to_dict().items() if value is not None}
    told = {name: value for name, value in TritonConfig.from_env().to_dict().items() if value is not None}
    values = {**_DEFAULTS, "log_verbose": 0, **told, **given}
    has_repository = "model_repository" in values
    values.setdefault("model_repository", ".")
    words = []
    for name, value in values.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            text = str(one).lower() if isinstance(one, bool) else str(one)
            words.append(f"--{name.replace('_', '-')}={text}")
    words.append("--model-control-mode=explicit")
    if has_repository:
        words.append("--load-model=*")
    if restriction := security.restriction:
        words += [f"--http-restricted-api={restriction}", f"--grpc-restricted-protocol={restriction}"]
    arguments = read_arguments(words)
    return arguments, arguments.repository_entries() if has_repository else ()
