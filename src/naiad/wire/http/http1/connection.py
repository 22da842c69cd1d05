"""One HTTP/1.1 connection: bytes in, exchanges out, answers back in the order of the requests.

Requests are read by `reader.py`, once for each different head (`heads.py`). Knows nothing of routes or models: a
finished request goes to `dispatch` as an Exchange, and whoever has it answers it exactly once, now or later, from the
event loop's thread. A client that sends faster than it is answered, or does not read its answers, is not read from.
When a connection reads, and when it ends, follows from the table and the reasons in `states.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from naiad.protocol.limits import Limits
from naiad.wire.http.exchange import Exchange, take_ready
from naiad.wire.http.http1.capacity import Capacity
from naiad.wire.http.http1.heads import KnownHeads
from naiad.wire.http.http1.line import RequestLine
from naiad.wire.http.http1.parts import Part, Refusal
from naiad.wire.http.http1.probe import Probe
from naiad.wire.http.http1.reader import RequestReader
from naiad.wire.http.http1.states import TRANSITIONS, ConnectionEvent, ConnectionState, Hold
from naiad.wire.http.http1.timeouts import HttpTimes, Stage, Watch, allowed_s, stage_of
from naiad.wire.http.origins import Origins
from naiad.wire.listening import Connection, gentle
from naiad.wire.waiting import REQUEST_BYTES, Account

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TURN_REQUESTS = 64
"""Read from one connection in one turn of the event loop, roughly: so many begin before the turn is over."""
_HEADS_BYTES = 4096
"""Parsed at a time where requests may begin; the rest of a body is never cut."""

_OPEN, _CLOSING, _BETWEEN = ConnectionState.OPEN, ConnectionState.CLOSING, Part.BETWEEN
"""Asked for with every request, and slow to look up in an enum."""


class HttpConnection(Connection):
    """The server's side of one connection."""

    _state = _OPEN
    _transport: asyncio.Transport | None = None
    """While it is not LOST."""

    def __init__(
        self,
        dispatch: Callable[[Exchange], None],
        limits: Limits,
        connections: set[HttpConnection],
        heads: KnownHeads,
        capacity: Capacity | None = None,
        watch: Watch | None = None,
        origins: Origins | None = None,
    ) -> None:
        """Wait for the transport.

        dispatch: takes every complete request. connections: the listener's set; this one adds and removes itself.
        heads, capacity, watch, origins: the listener's, shared by all connections.
        """
        self._limits = limits
        self._connections = connections
        self._heads = heads
        self._capacity = capacity or Capacity()
        self._account = Account(self._capacity.waiting)
        self._unsent_bytes = 0
        """Of what the account holds, those that are with the transport."""
        self._rest = b""
        """Received and not parsed yet, because the turn of the loop was over."""
        self._watch = watch
        self._reader = RequestReader(
            limits, self._account, origins or Origins(), self.flush, self._take, self._allow_body
        )
        self._line = RequestLine(dispatch, limits, self._capacity.worker)
        self._exchanges = self._line.exchanges
        """Requests not yet answered to the client, oldest first."""
        self._holds: set[Hold] = set()
        """While there is any, nothing is read."""
        self._stage: tuple[Stage, int] = (Stage.IDLE, 0)
        """Where the watch last saw it, and since when."""
        self._stage_since_s = 0.0
        self._is_heard = True
        """Bytes have come since the watch last looked."""
        self._probe: Probe | None = None
        """Once the client has said that it sends no more."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the loop."""
        self.has_begun = True
        self._transport = gentle(transport)
        if self._state >= _CLOSING:  # the server has stopped while TLS was set up
            self._transport.close()
            return
        if len(self._connections) >= self._capacity.connections:
            self._refuse(Refusal(503, self._capacity.crowded_message), ConnectionEvent.LAST)
            return
        self._connections.add(self)
        self._account.transport = self._transport
        if self._watch is not None:
            self._watch.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon what is not answered; called by the loop."""
        del exc
        self._connections.discard(self)
        self.lost.set()
        self._transport = self._account.transport = None
        self._rest = b""
        if self._probe is not None:
            self._probe.stop()
        self._move(ConnectionEvent.LOSE)
        self._reader.close()
        self._line.abandon()
        self._account.close()

    def data_received(self, data: bytes) -> None:
        """Parse; called by the loop."""
        self._is_heard = True
        if self._state >= _CLOSING:
            return
        if self._rest:
            self._rest += data
        elif self._reader.part is not _BETWEEN or (known := self._heads.recall(data, self.flush)) is None:
            self._parse(data)
        elif known[1]:
            self._begin(*known)
        elif self._exchanges or self._holds or self._state is not _OPEN or len(data) > REQUEST_BYTES:
            self._take(known[0])
        else:  # One small request of a connection is not counted: the number of connections is bounded, too.
            exchange = known[0]
            exchange.account = self._account
            self._exchanges.append(exchange)
            self._line.dispatch(exchange)

    def _begin(self, exchange: Exchange, missing: int) -> None:
        try:
            self._reader.begin(exchange, missing)
        except Refusal as refusal:
            self._refuse(refusal)

    def _parse(self, data: bytes) -> None:
        """Parse in full, and remember the head if this was one whole request."""
        reader = self._reader
        begun, part = reader.begun, reader.part
        try:
            self._feed(data)
        except Refusal as refusal:
            if self._state < _CLOSING:  # or it came behind a request that was the last one
                self._refuse(refusal)
            return
        is_between = reader.part is _BETWEEN
        if part is _BETWEEN and reader.begun == begun + 1 and reader.part is not Part.HEAD:
            received = reader.current.body_bytes if is_between else reader.body_bytes
            self._heads.learn(data, reader.current, received)
        if is_between:
            reader.forget()  # it is the exchange's alone now, and goes with its answer
        if self._line.is_heavy:
            self._hold(Hold.BACKLOG)

    def _feed(self, data: bytes) -> None:
        """Parse, as many requests as there may be in one turn of the loop. Raises Refusal."""
        reader = self._reader
        begun, at = reader.begun, 0
        while at < len(data):
            end = at + (reader.rest_bytes if reader.part is Part.BODY else _HEADS_BYTES)
            reader.feed(data[at:end])
            at = end
            if reader.begun - begun >= _TURN_REQUESTS and at < len(data):
                self._rest = data[at:]
                self._wait_a_turn()
                return

    def _wait_a_turn(self) -> None:
        """Let others have their turn; read no more before what has come is parsed."""
        self._hold(Hold.TURN)
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Parse what was left of the turn before, unless something else forbids to read."""
        self._holds.discard(Hold.TURN)
        if not self._holds and self._state < _CLOSING:
            rest, self._rest = self._rest, b""
            self._parse(rest)
        self._release()

    def eof_received(self) -> bool:
        """Stay while answers are owed: the client may only be done with sending; called by the loop."""
        if self._transport is None or not self._exchanges or not self._transport.can_write_eof():  # TLS cannot
            return False
        self._move(ConnectionEvent.LAST)
        self._reader.forget()
        if self._probe is None:
            self._probe = Probe(self._transport, self._exchanges)
        return True

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers; called by the loop."""
        self._hold(Hold.UNREAD)
        self._count_unsent()

    def resume_writing(self) -> None:
        """Read on; called by the loop."""
        self._holds.discard(Hold.UNREAD)
        self._count_unsent()
        self._release()
        self._let_write()

    def _let_write(self) -> None:
        """Tell a stream that more may be written, unless the client does not keep up."""
        if self._exchanges and Hold.UNREAD not in self._holds and (wake := self._exchanges[0].on_writable) is not None:
            wake()

    def _count_unsent(self) -> None:
        unsent_bytes = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._account.take(unsent_bytes - self._unsent_bytes)
        self._unsent_bytes = unsent_bytes

    # requests

    def _allow_body(self) -> None:
        if self._exchanges:  # it would stand in the middle of an answer
            self._hold(Hold.CONTINUE)
        else:
            self._continue()

    def _continue(self) -> None:
        self._holds.discard(Hold.CONTINUE)
        if self._transport is not None and self._reader.part is not _BETWEEN and self._state < _CLOSING:
            self._transport.write(_CONTINUE)

    def _take(self, exchange: Exchange) -> None:
        """Hand a whole request over, unless the answer to the one before it says that the connection closes."""
        if self._state is not _OPEN:
            if self._state >= _CLOSING:
                return
            exchange.keep_alive = False
        exchanges = self._exchanges
        exchanges.append(exchange)
        if not exchange.keep_alive:
            self._move(ConnectionEvent.LAST)
        account = exchange.account = self._account
        exchange.counted_bytes = size = (exchange.body_bytes or len(exchange.body)) + REQUEST_BYTES
        account.take(size)
        if account.is_over and size > REQUEST_BYTES:  # who asks only whether the server lives is always told
            exchange.fail(503, account.reason)
            return
        self._line.advance(exchange, may_pass=not self._holds)
        if self._line.is_waiting:
            self._hold(Hold.BACKLOG)

    def _hold(self, reason: Hold) -> None:
        """Read no more until the reason is gone."""
        if not self._holds and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holds.add(reason)

    def _release(self) -> None:
        """Dispatch what waits as far as it may be, and read on when there is no reason left not to."""
        line, exchanges, holds, transport = self._line, self._exchanges, self._holds, self._transport
        if transport is None:
            return
        if Hold.UNREAD in holds and exchanges and transport.get_write_buffer_size() > self._limits.unsent_bytes:
            transport.abort()  # a client that does not read, while a stream has ever more to say
        if Hold.RELEASING in holds:
            return
        holds.add(Hold.RELEASING)
        while Hold.UNREAD not in holds and line.advance_next():
            pass
        holds.discard(Hold.RELEASING)
        if Hold.CONTINUE in holds and not exchanges:
            self._continue()
        if line.is_waiting or line.is_heavy:
            holds.add(Hold.BACKLOG)
        else:
            holds.discard(Hold.BACKLOG)
        if holds or transport.is_closing():
            return
        if self._rest:
            self._wait_a_turn()
        else:
            transport.resume_reading()

    # answers

    def flush(self) -> None:
        """Write every answer whose turn has come, in one call."""
        exchanges, transport = self._exchanges, self._transport
        ready = take_ready(exchanges)
        if transport is None or not ready:
            return
        if self._probe is not None:
            ready[0] = self._probe.rest_of(ready[0])
        if len(ready) == 1:
            transport.write(ready[0])
        else:
            transport.writelines(ready)
        if self._holds:
            self._count_unsent()
            self._release()
        if exchanges and exchanges[0].on_writable is not None:
            self._let_write()
        if self._state >= _CLOSING and not exchanges:
            self._close()

    def _close(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._state is ConnectionState.REFUSED and transport.can_write_eof():
            transport.write_eof()
            transport.resume_reading()  # what comes is thrown away
        else:
            transport.close()

    def _refuse(self, refusal: Refusal, event: ConnectionEvent = ConnectionEvent.REFUSE) -> None:
        """Answer a request that could not be read to its end, after those before it, and close."""
        exchange = Exchange(self.flush)
        exchange.keep_alive, exchange.answer_lines = False, self._reader.current.answer_lines
        self._reader.forget()
        self._move(event)
        self._exchanges.append(exchange)
        exchange.fail(refusal.status, refusal.message)

    # the end

    def drain(self) -> None:
        """Let the next answer be the last, and say so in it: a client that knows sends nothing that would be lost."""
        self._move(ConnectionEvent.DRAIN)
        if self._exchanges:
            self._exchanges[-1].keep_alive = False
            self._move(ConnectionEvent.LAST)

    def finish(self) -> None:
        """Read no more requests; close as soon as nothing is owed."""
        self.drain()
        self._move(ConnectionEvent.LAST)
        if not self._exchanges and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is owed."""
        if self._transport is not None:
            self._transport.abort()

    def _move(self, event: ConnectionEvent) -> None:
        state = TRANSITIONS[self._state][event]
        assert state is not None, f"{event!r} in {self._state!r}"
        self._state = state

    # time

    def look(self, now_s: float, times: HttpTimes) -> None:
        """Do what the time asks for; called by the watch."""
        transport = self._transport
        if transport is None:
            return
        is_closing = self._state >= _CLOSING
        stage = stage_of(transport.get_write_buffer_size(), is_closing, len(self._exchanges), self._reader)
        if stage != self._stage or (self._is_heard and stage[0] is Stage.IDLE):
            self._stage, self._stage_since_s, self._is_heard = stage, now_s, False
            return
        limit_s = allowed_s(stage[0], times, self._reader.body_bytes)
        if limit_s is not None and now_s - self._stage_since_s >= limit_s:
            self._time_out(stage[0], transport, limit_s)

    def _time_out(self, stage: Stage, transport: asyncio.Transport, limit_s: float) -> None:
        if stage is Stage.IDLE:
            transport.close()
        elif stage in (Stage.HEADERS, Stage.BODY):
            what = "headers" if stage is Stage.HEADERS else "body"
            self._refuse(Refusal(408, f"the request's {what} did not arrive within {round(limit_s, 1):g} s"))
        else:
            transport.abort()
