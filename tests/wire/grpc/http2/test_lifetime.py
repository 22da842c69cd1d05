"""When a connection is asked whether it lives, and when it is ended."""

from __future__ import annotations

import math

from naiad.wire.grpc.http2.lifetime import Action, Lifetime
from naiad.wire.grpc.http2.options import Http2Options


def test_a_client_must_begin() -> None:
    lifetime = Lifetime(Http2Options(greeting_s=20), 100.0, 0)
    assert lifetime.decide(100.0, False, 0, 0) == (Action.NOTHING, 120.0)
    assert lifetime.decide(120.0, False, 0, 0)[0] is Action.TIME_OUT


def test_a_silent_client_is_asked_and_then_given_up() -> None:
    lifetime = Lifetime(Http2Options(keepalive_s=50, keepalive_timeout_s=5), 0.0, 0)
    assert lifetime.decide(10.0, True, 1, 1) == (Action.NOTHING, 60.0)
    assert lifetime.decide(60.0, True, 1, 1) == (Action.PING, 65.0)
    assert lifetime.decide(65.0, True, 1, 1)[0] is Action.ABORT


def test_a_client_that_answers_lives_on() -> None:
    lifetime = Lifetime(Http2Options(keepalive_s=50, keepalive_timeout_s=5), 0.0, 0)
    assert lifetime.decide(50.0, True, 0, 0) == (Action.PING, 55.0)
    lifetime.heard_s = 51.0
    assert lifetime.decide(55.0, True, 0, 0) == (Action.NOTHING, 105.0)
    assert lifetime.decide(105.0, True, 0, 0) == (Action.PING, 110.0)


def test_an_idle_connection_is_drained() -> None:
    lifetime = Lifetime(Http2Options(idle_s=30), 0.0, 0)
    assert lifetime.decide(29.0, True, 0, 1) == (Action.NOTHING, 59.0)
    assert lifetime.decide(58.0, True, 1, 1)[0] is Action.NOTHING
    assert lifetime.decide(87.0, True, 0, 1)[0] is Action.NOTHING
    assert lifetime.decide(88.0, True, 0, 1)[0] is Action.DRAIN


def test_an_old_connection_is_drained_and_then_ended() -> None:
    lifetime = Lifetime(Http2Options(age_s=100, age_grace_s=10), 0.0, 0.5)
    assert lifetime.decide(1.0, True, 1, 1) == (Action.NOTHING, 105.0)
    assert lifetime.decide(105.0, True, 1, 1) == (Action.DRAIN, 115.0)
    assert lifetime.decide(115.0, True, 1, 1) == (Action.ABORT, math.inf)
