"""Clients that ask by PING: how often they may, and what the option values mean."""

from __future__ import annotations

import math

import pytest

from naiad.core.settings.config import ServerSettings
from naiad.testing.manual_clock import ManualClock
from naiad.wire.grpc.http2.framing.codes import ConnectionFault, ErrorCode
from naiad.wire.grpc.http2.framing.pings import PingPolicy
from naiad.wire.grpc.http2.framing.settings import Http2Limits
from naiad.wire.grpc.http2.options import Http2Options


class Asked:
    """A client that asks, and a clock."""

    def __init__(self, **limits: object) -> None:
        self.clock = ManualClock()
        self.policy = PingPolicy(Http2Limits(**limits), self.clock)  # type: ignore[arg-type]

    def is_refused(self, after_s: float, uses: int = 0, running: int = 1) -> bool:
        self.clock.advance(after_s)
        try:
            self.policy.take(uses, running)
        except ConnectionFault as fault:
            return (fault.code, fault.message) == (ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings")
        return False


def test_the_first_ping_is_never_too_early() -> None:
    assert not Asked(ping_strikes=1).is_refused(0.0)


def test_the_strike_after_the_last_allowed_one_ends_the_connection() -> None:
    client = Asked()
    assert [client.is_refused(1.0) for _ in range(4)] == [False, False, False, True]


def test_a_patient_client_may_ask_forever() -> None:
    client = Asked(ping_interval_s=10.0)
    assert not any(client.is_refused(10.0) for _ in range(100))


def test_data_between_two_pings_forgives() -> None:
    client = Asked()
    assert not any(client.is_refused(0.001, uses=number) for number in range(100))


@pytest.mark.parametrize("permits", [True, False])
def test_a_client_without_calls_may_ask_every_two_hours(permits: bool) -> None:
    client = Asked(permits_pings_without_streams=permits)
    assert any(client.is_refused(600.0, running=0) for _ in range(10)) is not permits
    patient = Asked(permits_pings_without_streams=permits)
    assert not any(patient.is_refused(7200.0, running=0) for _ in range(10))


def test_no_strikes_means_any() -> None:
    client = Asked(ping_strikes=0)
    assert not any(client.is_refused(0.001) for _ in range(100))


def test_the_options_of_the_server_are_milliseconds() -> None:
    settings = ServerSettings.of(
        grpc_keepalive_time=5000, grpc_keepalive_timeout=500, grpc_keepalive_permit_without_calls=True,
        grpc_http2_max_pings_without_data=3, grpc_http2_min_recv_ping_interval_without_data=1500,
        grpc_http2_max_ping_strikes=4, grpc_max_connection_age=60_000, grpc_max_connection_age_grace=7000,
        grpc_max_concurrent_streams=9, grpc_max_header_size=5000, grpc_max_input_size=1000,
    )  # fmt: skip
    options = Http2Options.of(settings.grpc, settings.max_connections)
    assert (options.keepalive_s, options.keepalive_timeout_s, options.keepalive_without_calls) == (5.0, 0.5, True)
    assert (options.keepalive_pings, options.age_s, options.age_grace_s) == (3, 60.0, 7.0)
    assert options.message_bytes == 1000
    assert options.limits == Http2Limits(
        streams=9, header_bytes=5000, ping_interval_s=1.5, permits_pings_without_streams=True, ping_strikes=4
    )


def test_left_alone_they_are_those_of_the_transport() -> None:
    assert Http2Options.of(ServerSettings().grpc, ServerSettings().max_connections) == Http2Options()
    assert Http2Options().age_s == math.inf
