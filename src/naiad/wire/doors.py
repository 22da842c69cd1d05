"""The three doors of a server, opened and closed together: HTTP, gRPC and metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable

from naiad.core.config import ServerSettings
from naiad.core.errors import NaiadError
from naiad.protocol.limits import Limits
from naiad.wire.grpc.aio import AioListener
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.servicer import Servicer
from naiad.wire.http.api import http_router
from naiad.wire.http.listener import HttpListener
from naiad.wire.http.metrics import metrics_router
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire")


class Doors:
    """Everything of one server that listens."""

    def __init__(self, services: Services, settings: ServerSettings, render_metrics: Callable[[], bytes]) -> None:
        self._settings = settings
        limits = Limits(body_bytes=settings.http_max_input_size)
        self.http = HttpListener(http_router(services, limits), limits)
        self._servicer = Servicer(services, Limits(body_bytes=settings.grpc_max_input_size))
        self.grpc = _grpc_listener(self._servicer, settings)
        self.metrics = HttpListener(metrics_router(render_metrics), Limits(body_bytes=2**16))

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        settings = self._settings
        await self.http.open(settings.host, settings.http_port, "--http-port")
        try:
            await self.grpc.open(settings.host, settings.grpc_port, "--grpc-port")
            await self.metrics.open(settings.host, settings.metrics_port, "--metrics-port")
        except NaiadError:
            self.http.close()
            await self.grpc.close()
            raise
        _log.info("Started GRPCInferenceService at %s:%d", settings.host, self.grpc.port)
        _log.info("Started HTTPService at %s:%d", settings.host, self.http.port)
        _log.info("Started Metrics Service at %s:%d", settings.host, self.metrics.port)

    def stop_accepting(self) -> None:
        """Take no new connections."""
        self.http.stop_accepting()

    async def finish(self) -> None:
        """Return when every connection has sent what it owed; for a server whose requests are all answered."""
        self._servicer.end_streams()
        self.http.finish_connections()
        await self.http.wait_closed()

    async def close(self) -> None:
        """Close everything at once."""
        self.http.close()
        await self.grpc.close()
        self.metrics.close()


def _grpc_listener(serve: Serve, settings: ServerSettings) -> Http2Listener | AioListener:
    if settings.grpc_transport == "aio":
        return AioListener(serve, settings.grpc_max_input_size)
    return Http2Listener(serve, Http2Options(message_bytes=settings.grpc_max_input_size))
