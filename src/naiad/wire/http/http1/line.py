"""The requests of one connection that are not answered yet: those under way and, behind them, those that wait.

So many are under way at a time; their answers leave in the order of the requests, whichever is there first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from naiad.core.errors import NaiadError
from naiad.protocol.limits import Limits
from naiad.serving.worker import Worker
from naiad.wire.http.exchange import Exchange


class RequestLine:
    """Dispatches requests when their turn has come."""

    def __init__(self, dispatch: Callable[[Exchange], None], limits: Limits, worker: Worker) -> None:
        """dispatch: takes each. worker: puts long bodies together."""
        self.dispatch = dispatch
        self._limits = limits
        self._worker = worker
        self.exchanges: deque[Exchange] = deque()
        """All of them, oldest first; who sends the answers takes them out."""
        self._waiting: deque[Exchange] = deque()
        """The newest of them, not yet dispatched."""

    @property
    def is_waiting(self) -> bool:
        """Some are not dispatched yet."""
        return bool(self._waiting)

    @property
    def is_heavy(self) -> bool:
        """There are several, and their bodies are too large together."""
        exchanges = self.exchanges
        return len(exchanges) > 1 and sum(exchange.body_bytes for exchange in exchanges) > self._limits.body_bytes

    def advance(self, exchange: Exchange, *, may_pass: bool) -> None:
        """Dispatch the newest of `exchanges`, or let it wait: where it may not pass, or too many are under way."""
        if may_pass and len(self.exchanges) <= self._limits.pipelined:
            self._hand_over(exchange)
        else:
            self._waiting.append(exchange)

    def advance_next(self) -> bool:
        """Dispatch the first of those that wait; False: none does, or too many are under way."""
        if not self._waiting or len(self.exchanges) - len(self._waiting) >= self._limits.pipelined:
            return False
        self._hand_over(self._waiting.popleft())
        return True

    def abandon(self) -> None:
        """Withdraw everything: the connection is gone."""
        for exchange in tuple(self.exchanges):  # withdrawing one that waits answers it, and takes it out
            if exchange.on_abandon is not None:
                exchange.on_abandon()
        self.exchanges.clear()
        self._waiting.clear()

    def _hand_over(self, exchange: Exchange) -> None:
        """Dispatch, after its body is put together in a thread if it is long."""
        if not exchange.pieces:
            self.dispatch(exchange)
            return
        pieces, exchange.pieces = exchange.pieces, ()

        def go_on(body: bytes | NaiadError) -> None:
            exchange.on_abandon = None
            if isinstance(body, NaiadError):
                exchange.fail(500, body.message)
            else:
                exchange.body = body
                self.dispatch(exchange)

        work = self._worker.submit(exchange.body_bytes, partial(b"".join, pieces), go_on)
        exchange.on_abandon = work.cancel
