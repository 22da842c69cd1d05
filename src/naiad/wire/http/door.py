"""The HTTP doors: v2 with the text routes of other servers, and the metrics page on a port of its own."""

from __future__ import annotations

import socket
from dataclasses import replace

from naiad.core.settings.config import ServerSettings
from naiad.core.settings.doors import DoorSettings
from naiad.core.user_code.application import RESERVED
from naiad.serving.engine import Engine
from naiad.wire.door import Door, DoorNeeds
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.api import http_router
from naiad.wire.http.asgi import AsgiDoor
from naiad.wire.http.http1.listener import HttpListener
from naiad.wire.http.jobs.running import HttpRunner
from naiad.wire.http.metrics import metrics_router
from naiad.wire.http.origins import Origins
from naiad.wire.http.routes import Router
from naiad.wire.limiting import http_capacity, http_limits, http_times
from naiad.wire.restrictions import Gate
from naiad.wire.tls import TlsFiles
from naiad.wire.waiting import Waiting


def http_door(needs: DoorNeeds) -> Door:
    """Make the door of the v2 protocol over HTTP/1.1."""
    http = needs.settings.http
    listener = _listener(router_of(needs), needs, http, below=_below(needs))
    files = TlsFiles.of(http, "--http-tls")
    tls = None if files is None else files.context()
    return Door("HTTPService", "http", "--http-port", http, listener, tls)


def asgi_door(needs: DoorNeeds) -> AsgiDoor:
    """Make the same door as an ASGI application, without a port."""
    settings, services = needs.settings, needs.services
    capacity = http_capacity(settings, services.waiting, services.engine.worker)
    origins = _origins(settings, settings.http, _below(needs))
    return AsgiDoor(router_of(needs), http_limits(settings), capacity, origins)


def router_of(needs: DoorNeeds) -> Router:
    """Return the routes of the v2 door, behind the gate that the settings ask for."""
    settings, http = needs.settings, needs.settings.http
    gate = _gate(settings)
    forwarding = Forwarding.of(http.header_forward_pattern, "--http-header-forward-pattern", gate)
    return http_router(needs.services, http_limits(settings), gate, forwarding, answers_head=http.head)


def job_runner_of(settings: ServerSettings, engine: Engine, waiting: Waiting) -> HttpRunner:
    """Make what runs jobs as this door would run their requests."""
    forwarding = Forwarding.of(settings.http.header_forward_pattern, "--http-header-forward-pattern", _gate(settings))
    return HttpRunner(engine, http_limits(settings), forwarding, waiting, settings.jobs.max_size)


def metrics_door(needs: DoorNeeds) -> Door:
    """Make the door of the metrics page, which stays open while the others drain."""
    settings, metrics = needs.settings, needs.settings.metrics
    page = metrics_router(needs.render_metrics, _gate(settings))
    listener = _listener(page, needs, metrics, body_bytes=2**16)
    files = TlsFiles.of(settings.http, "--http-tls")
    tls = TlsFiles.needed(files, "--metrics-tls").context() if metrics.tls else None
    return Door("Metrics Service", "http", "--metrics-port", metrics, listener, tls, takes_requests=False)


def _gate(settings: ServerSettings) -> Gate:
    return Gate.of(settings.http.restricted_api, "--http-restricted-api")


def _listener(
    router: Router, needs: DoorNeeds, door: DoorSettings, body_bytes: int = 0, below: str = ""
) -> HttpListener:
    settings = needs.settings
    limits = http_limits(settings)
    if body_bytes:
        limits = replace(limits, body_bytes=body_bytes, binary_bytes=body_bytes)
    origins = _origins(settings, door, below)
    capacity = http_capacity(settings, needs.services.waiting, needs.services.engine.worker)
    return HttpListener(router, limits, http_times(settings.http), capacity, origins)


def _origins(settings: ServerSettings, door: DoorSettings, below: str) -> Origins:
    return Origins(settings.http.allowed_origin, (*door.hosts, socket.gethostname()), below)


def _below(needs: DoorNeeds) -> str:
    """Where requests are the server's own; empty: everywhere."""
    return "" if needs.services.application is None else RESERVED
