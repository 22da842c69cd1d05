"""When a connection is asked whether it lives, and when it is ended."""

from __future__ import annotations

import math

import pytest

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
    options = Http2Options(keepalive_s=50, keepalive_timeout_s=5, keepalive_without_calls=True)
    lifetime = Lifetime(options, 0.0, 0)
    assert lifetime.decide(50.0, True, 0, 0) == (Action.PING, 55.0)
    lifetime.heard_s = 51.0
    assert lifetime.decide(55.0, True, 0, 0) == (Action.NOTHING, 105.0)
    assert lifetime.decide(105.0, True, 0, 0) == (Action.PING, 110.0)


def test_a_client_without_calls_is_not_asked_unless_wanted() -> None:
    lifetime = Lifetime(Http2Options(keepalive_s=50), 0.0, 0)
    assert lifetime.decide(50.0, True, 0, 0) == (Action.NOTHING, 100.0)
    assert lifetime.decide(100.0, True, 1, 1)[0] is Action.PING


@pytest.mark.parametrize(("most", "expected"), [(2, 2), (0, 5)])
def test_a_client_is_asked_so_often_before_there_is_data_again(most: int, expected: int) -> None:
    lifetime = Lifetime(Http2Options(keepalive_s=10, keepalive_pings=most), 0.0, 0)

    def asked(begin_s: float, uses: int) -> int:
        count = 0
        for turn in range(5):
            now_s = begin_s + 20.0 * turn
            if lifetime.decide(now_s, True, 1, 1, uses)[0] is Action.PING:
                count += 1
                lifetime.heard_s = now_s + 1.0
        return count

    assert asked(20.0, 0) == expected
    assert asked(1000.0, 7) == expected


def test_an_idle_connection_is_drained() -> None:
    lifetime = Lifetime(Http2Options(idle_s=30), 0.0, 0)
    assert lifetime.decide(29.0, True, 0, 1) == (Action.NOTHING, 59.0)
    assert lifetime.decide(58.0, True, 1, 1)[0] is Action.NOTHING
    assert lifetime.decide(87.0, True, 0, 1)[0] is Action.NOTHING
    assert lifetime.decide(88.0, True, 0, 1)[0] is Action.DRAIN


def test_a_client_that_is_told_of_the_end_must_show_that_it_is_there() -> None:
    lifetime = Lifetime(Http2Options(), 0.0, 0)
    lifetime.end(10.0)
    assert lifetime.is_ending
    assert lifetime.decide(10.0, True, 0, 1) == (Action.NOTHING, 11.0)
    lifetime.heard_s = 10.5
    assert lifetime.decide(11.0, True, 0, 1) == (Action.NOTHING, 11.5)
    assert lifetime.decide(11.5, True, 0, 1) == (Action.ABORT, math.inf)


@pytest.mark.parametrize("is_greeted", [False, True])
def test_a_client_that_knows_of_the_end_may_take_its_time(is_greeted: bool) -> None:
    lifetime = Lifetime(Http2Options(), 0.0, 0)
    lifetime.end(10.0)
    lifetime.know()
    assert not lifetime.is_ending
    assert lifetime.decide(19.0, is_greeted, 1, 1)[0] is Action.NOTHING


def test_an_old_connection_is_drained_and_then_ended() -> None:
    lifetime = Lifetime(Http2Options(age_s=100, age_grace_s=10), 0.0, 0.5)
    assert lifetime.decide(1.0, True, 1, 1) == (Action.NOTHING, 105.0)
    assert lifetime.decide(105.0, True, 1, 1) == (Action.DRAIN, 115.0)
    assert lifetime.decide(115.0, True, 1, 1) == (Action.ABORT, math.inf)
