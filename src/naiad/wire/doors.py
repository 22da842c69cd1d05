"""The three doors of a server, opened and closed together: HTTP, gRPC and metrics. Each can be left shut."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from naiad.core.config import DOORS, ServerSettings, flag
from naiad.core.errors import NaiadError
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.aio import AioListener
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.guard import GRPC_PREFIX, guard
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.servicer import Servicer
from naiad.wire.http.api import http_router
from naiad.wire.http.http1.listener import HttpListener
from naiad.wire.http.metrics import metrics_router
from naiad.wire.limiting import grpc_limits, http_capacity, http_limits, http_times
from naiad.wire.listening import address
from naiad.wire.restrictions import Gate
from naiad.wire.services import Services
from naiad.wire.tls import TlsFiles

_log = logging.getLogger("naiad.wire")

_SERVICES = {"grpc": "GRPCInferenceService", "http": "HTTPService", "metrics": "Metrics Service"}
"""What each is called in the log, in Triton's order; scripts wait for these lines."""


class Doors:
    """Everything of one server that listens."""

    def __init__(self, services: Services, settings: ServerSettings, render_metrics: Callable[[], bytes]) -> None:
        """Read what the doors need. Raises InvalidConfiguration for restrictions and files that cannot be used."""
        self._settings = settings
        self._tls = _tls(settings)
        gate = Gate.of(settings.http_restricted_api, "--http-restricted-api")
        grpc_gate = Gate.of(settings.grpc_restricted_protocol, "--grpc-restricted-protocol", GRPC_PREFIX)
        pattern, grpc_pattern = settings.http_header_forward_pattern, settings.grpc_header_forward_pattern
        forwarding = Forwarding.of(pattern, "--http-header-forward-pattern", gate)
        grpc_forwarding = Forwarding.of(grpc_pattern, "--grpc-header-forward-pattern", grpc_gate)
        limits = http_limits(settings)
        self.router = http_router(services, limits, gate, forwarding, answers_head=settings.http_head)
        self.http = HttpListener(self.router, limits, http_times(settings), http_capacity(settings))
        compression = settings.grpc_infer_response_compression_level
        self._servicer = Servicer(services, grpc_limits(settings), compression, grpc_forwarding)
        self.grpc = _grpc_listener(guard(self._servicer, grpc_gate, services.logs), settings)
        self.metrics = HttpListener(
            metrics_router(render_metrics, gate),
            replace(limits, body_bytes=2**16, binary_bytes=2**16),
            http_times(settings),
            http_capacity(settings),
        )

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        opened = [door for door in _SERVICES if getattr(self._settings, f"allow_{door}")]
        try:
            for door in opened:
                await self._open(door)
        except NaiadError:
            await self.close()
            raise
        for door in opened:
            for host in self._settings.hosts_of(door):
                _log.info("Started %s at %s", _SERVICES[door], address(host, getattr(self, door).port))

    async def _open(self, door: str) -> None:
        hosts, port = self._settings.hosts_of(door), self._settings.port_of(door)
        reuse_port = getattr(self._settings, f"reuse_{door}_port", False)
        await getattr(self, door).open(hosts, port, flag(f"{door}_port"), self._tls[door], reuse_port)

    async def stop_accepting(self) -> None:
        """Take no new connections; clients are told that those they have will take no more requests."""
        self.http.stop_accepting()
        self.grpc.stop_accepting()
        await self.grpc.wait_told()

    async def finish(self) -> None:
        """Return when every connection has sent what it owed; for a server whose requests are all answered."""
        self._servicer.end_streams()
        self.http.finish_connections()
        self.grpc.finish_connections()
        await self.http.wait_closed()
        await self.grpc.wait_closed()

    async def close(self) -> None:
        """Close everything at once."""
        self.http.close()
        await self.grpc.close()
        self.metrics.close()


def _tls(settings: ServerSettings) -> dict[str, Any]:
    """Return what each listener takes to encrypt; None where nothing is said."""
    http, grpc = TlsFiles.of(settings, "http"), TlsFiles.of(settings, "grpc")
    made: dict[str, Any] = dict.fromkeys(DOORS)
    if http is not None:
        made["http"] = http.context()
    if settings.metrics_tls:
        made["metrics"] = TlsFiles.needed(http, "--metrics-tls").context()
    if grpc is not None:
        made["grpc"] = grpc.checked() if settings.grpc_transport == "aio" else grpc.context()
    return made


def _grpc_listener(serve: Serve, settings: ServerSettings) -> Http2Listener | AioListener:
    options = Http2Options.of(settings)
    return AioListener(serve, options) if settings.grpc_transport == "aio" else Http2Listener(serve, options)
