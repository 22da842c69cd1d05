"""The three doors of a server, opened and closed together: HTTP, gRPC and metrics. Each can be left shut."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from naiad.core.config import ServerSettings
from naiad.core.door_settings import DoorSettings, GrpcSettings
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


@dataclass(frozen=True, slots=True)
class Door:
    """One port of a server and what listens there."""

    service: str
    """Its name in the log, which is Triton's; scripts wait for these lines."""
    scheme: str
    """What its URL begins with, and ends in an s with TLS."""
    port_flag: str
    """For messages."""
    settings: DoorSettings
    listener: HttpListener | Http2Listener | AioListener
    tls: Any = None
    """What the listener takes to encrypt."""

    @property
    def address(self) -> str:
        """host:port of the first address, once open."""
        return address(self.settings.hosts[0], self.listener.port)

    @property
    def url(self) -> str:
        """The address with its scheme."""
        return f"{self.scheme}{'' if self.tls is None else 's'}://{self.address}"

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        settings = self.settings
        await self.listener.open(settings.hosts, settings.port, self.port_flag, self.tls, settings.reuse_port)


class Doors:
    """Everything of one server that listens."""

    def __init__(self, services: Services, settings: ServerSettings, render_metrics: Callable[[], bytes]) -> None:
        """Read what the doors need. Raises InvalidConfiguration for restrictions and files that cannot be used."""
        http, grpc, metrics = settings.http, settings.grpc, settings.metrics
        gate = Gate.of(http.restricted_api, "--http-restricted-api")
        grpc_gate = Gate.of(grpc.restricted_protocol, "--grpc-restricted-protocol", GRPC_PREFIX)
        forwarding = Forwarding.of(http.header_forward_pattern, "--http-header-forward-pattern", gate)
        grpc_forwarding = Forwarding.of(grpc.header_forward_pattern, "--grpc-header-forward-pattern", grpc_gate)
        limits, times = http_limits(settings), http_times(http)
        self.router = http_router(services, limits, gate, forwarding, answers_head=http.head)
        compression = grpc.infer_response_compression_level
        self._servicer = Servicer(services, grpc_limits(settings), compression, grpc_forwarding)
        self._http = HttpListener(self.router, limits, times, http_capacity(settings))
        self._grpc = _grpc_listener(guard(self._servicer, grpc_gate, services.logs), settings)
        page, small = metrics_router(render_metrics, gate), replace(limits, body_bytes=2**16, binary_bytes=2**16)
        self._metrics = HttpListener(page, small, times, http_capacity(settings))
        files = TlsFiles.of(http, "--http-tls")
        tls = None if files is None else files.context()
        metrics_tls = TlsFiles.needed(files, "--metrics-tls").context() if metrics.tls else None
        self.http = Door("HTTPService", "http", "--http-port", http, self._http, tls)
        self.grpc = Door("GRPCInferenceService", "grpc", "--grpc-port", grpc, self._grpc, _grpc_tls(grpc))
        self.metrics = Door("Metrics Service", "http", "--metrics-port", metrics, self._metrics, metrics_tls)

    @property
    def allowed(self) -> tuple[Door, ...]:
        """The doors that are not left shut, in the order in which Triton opens them."""
        return tuple(door for door in (self.grpc, self.http, self.metrics) if door.settings.allow)

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        try:
            for door in self.allowed:
                await door.open()
        except NaiadError:
            await self.close()
            raise
        for door in self.allowed:
            for host in door.settings.hosts:
                _log.info("Started %s at %s", door.service, address(host, door.listener.port))

    async def stop_accepting(self) -> None:
        """Take no new connections; clients are told that those they have will take no more requests."""
        self._http.stop_accepting()
        self._grpc.stop_accepting()
        await self._grpc.wait_told()

    async def finish(self) -> None:
        """Return when every connection has sent what it owed; for a server whose requests are all answered."""
        self._servicer.end_streams()
        self._http.finish_connections()
        self._grpc.finish_connections()
        await self._http.wait_closed()
        await self._grpc.wait_closed()

    async def close(self) -> None:
        """Close everything at once."""
        self._http.close()
        await self._grpc.close()
        self._metrics.close()


def _grpc_tls(grpc: GrpcSettings) -> Any:
    files = TlsFiles.of(grpc, "--grpc-tls")
    if files is None:
        return None
    return files.checked() if grpc.transport == "aio" else files.context()


def _grpc_listener(serve: Serve, settings: ServerSettings) -> Http2Listener | AioListener:
    options = Http2Options.of(settings.grpc, settings.max_connections)
    return AioListener(serve, options) if settings.grpc.transport == "aio" else Http2Listener(serve, options)
