"""The gRPC door: Triton's service over HTTP/2 of our own, or over grpcio."""

from __future__ import annotations

from naiad.wire.door import Door, DoorNeeds
from naiad.wire.forwarding import Forwarding
from naiad.wire.grpc.aio import AioListener
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.guard import GRPC_PREFIX, guard
from naiad.wire.grpc.http2.listener import Http2Listener
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.servicer import Servicer
from naiad.wire.limiting import grpc_limits
from naiad.wire.restrictions import Gate
from naiad.wire.tls import TlsFiles


def grpc_door(needs: DoorNeeds) -> Door:
    """Make the door of the v2 protocol over gRPC."""
    services, settings, grpc = needs.services, needs.settings, needs.settings.grpc
    servicer, serve = servicer_of(needs)
    is_aio = grpc.transport == "aio"
    make = AioListener if is_aio else Http2Listener
    options = Http2Options.of(grpc, settings.max_connections)
    listener = make(serve, options, waiting=services.waiting, worker=services.engine.worker)
    files = TlsFiles.of(grpc, "--grpc-tls")
    tls = None if files is None else files.checked() if is_aio else files.context()
    return Door("GRPCInferenceService", "grpc", "--grpc-port", grpc, listener, tls, on_finish=servicer.end_streams)


def servicer_of(needs: DoorNeeds) -> tuple[Servicer, Serve]:
    """Return what answers the calls, and its entry, behind the gate that the settings ask for."""
    services, settings, grpc = needs.services, needs.settings, needs.settings.grpc
    gate = Gate.of(grpc.restricted_protocol, "--grpc-restricted-protocol", GRPC_PREFIX)
    forwarding = Forwarding.of(grpc.header_forward_pattern, "--grpc-header-forward-pattern", gate)
    servicer = Servicer(services, grpc_limits(settings), grpc.infer_response_compression_level, forwarding)
    return servicer, guard(servicer, gate, services.logs)
