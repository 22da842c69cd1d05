"""What a gRPC port over HTTP/2 can be told; the defaults are those of gRPC's own servers where it has one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from naiad.core.settings.doors import GrpcSettings
from naiad.wire.grpc.http2.framing.settings import Http2Limits


@dataclass(frozen=True, slots=True)
class Http2Options:
    """Limits and times of every connection of one port; an infinite time never comes."""

    limits: Http2Limits = field(default_factory=Http2Limits)
    message_bytes: int = 64 * 1024 * 1024
    """One message, as received and decompressed."""
    connections: int = 10_000
    """At the same time; further ones are sent away."""
    greeting_s: float = 20.0
    """A client has so long to begin with a preface and to acknowledge our SETTINGS."""
    write_s: float = 60.0
    """A client for which answers wait may take none of them for so long."""
    keepalive_s: float = 7200.0
    """A client not heard from for so long is asked by PING whether it is there."""
    keepalive_timeout_s: float = 20.0
    """And has so long to answer."""
    keepalive_without_calls: bool = False
    """Ask clients without calls, too."""
    keepalive_pings: int = 2
    """Ask so often before there was data again, either way; 0: any."""
    idle_s: float = math.inf
    """A connection without requests for so long is closed."""
    age_s: float = math.inf
    """A connection so old takes no more requests (± 10 %, so that not all leave at once)."""
    age_grace_s: float = math.inf
    """And those that run have so long to finish."""

    @classmethod
    def of(cls, grpc: GrpcSettings, connections: int) -> Http2Options:
        """Return what the server's options say, which are in milliseconds as Triton's are; 0 is never or any."""
        limits = Http2Limits(
            streams=grpc.max_concurrent_streams,
            header_bytes=grpc.max_header_size,
            ping_interval_s=grpc.http2_min_recv_ping_interval_without_data / 1000,
            permits_pings_without_streams=grpc.keepalive_permit_without_calls,
            ping_strikes=grpc.http2_max_ping_strikes,
        )
        return cls(
            limits,
            message_bytes=grpc.max_input_size,
            connections=connections,
            write_s=grpc.write_timeout_s,
            keepalive_s=grpc.keepalive_time / 1000,
            keepalive_timeout_s=grpc.keepalive_timeout / 1000,
            keepalive_without_calls=grpc.keepalive_permit_without_calls,
            keepalive_pings=grpc.http2_max_pings_without_data,
            age_s=grpc.max_connection_age / 1000 or math.inf,
            age_grace_s=grpc.max_connection_age_grace / 1000 or math.inf,
        )
