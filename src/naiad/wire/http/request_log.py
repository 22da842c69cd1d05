"""A line for each request when the log is verbose: method, target, status, milliseconds."""

from __future__ import annotations

import logging
from typing import Any

from naiad.core.clock import Clock, monotonic
from naiad.wire.http.exchange import Exchange

_log = logging.getLogger("naiad.wire.http")


def note_request(exchange: Exchange, clock: Clock = monotonic) -> None:
    """Have the line written when a request is answered."""
    began_s = clock()
    answer, begin_stream, end_stream = exchange.answer, exchange.begin_stream, exchange.end_stream
    begin_relay = exchange.begin_relay
    status = 0

    def write(status: int) -> None:
        target = exchange.url.decode("latin-1")
        _log.debug("%s %s %d %.3f ms", exchange.method.decode("latin-1"), target, status, 1e3 * (clock() - began_s))

    def forget() -> None:  # or exchange and functions would keep each other until garbage is collected
        del exchange.answer, exchange.answer_json, exchange.begin_stream, exchange.end_stream, exchange.begin_relay

    def answered(code: int, *rest: Any, **more: Any) -> None:
        if not exchange.is_finished:
            answer(code, *rest, **more)
            forget()
            write(code)

    def answered_json(body: bytes) -> None:
        answered(200, body, b"application/json")

    def begun(code: int, *rest: Any, **more: Any) -> None:
        nonlocal status
        status = code
        begin_stream(code, *rest, **more)

    def relayed(code: int, *rest: Any, **more: Any) -> None:
        nonlocal status
        status = code
        begin_relay(code, *rest, **more)

    def ended() -> None:
        if not exchange.is_finished:
            end_stream()
            forget()
            write(status)

    # Nobody else needs these: an exchange is like any other as long as the log is not verbose.
    vars(exchange).update(
        answer=answered, answer_json=answered_json, begin_stream=begun, begin_relay=relayed, end_stream=ended
    )
