"""What a gRPC port over HTTP/2 can be told; the defaults are those of gRPC's own servers where it has one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from naiad.wire.grpc.http2.framing.settings import Http2Limits


@dataclass(frozen=True, slots=True)
class Http2Options:
    """Limits and times of every connection of one port; an infinite time never comes."""

    limits: Http2Limits = field(default_factory=Http2Limits)
    message_bytes: int = 64 * 1024 * 1024
    """One message, as received and decompressed."""
    gathering_bytes: int = 512 * 1024 * 1024
    """Unfinished messages of one connection together."""
    greeting_s: float = 20.0
    """A client has so long to begin with a preface and to acknowledge our SETTINGS."""
    keepalive_s: float = 7200.0
    """A client not heard from for so long is asked by PING whether it is there."""
    keepalive_timeout_s: float = 20.0
    """And has so long to answer."""
    idle_s: float = math.inf
    """A connection without requests for so long is closed."""
    age_s: float = math.inf
    """A connection so old takes no more requests (± 10 %, so that not all leave at once)."""
    age_grace_s: float = math.inf
    """And those that run have so long to finish."""
