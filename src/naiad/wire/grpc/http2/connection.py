"""One gRPC connection on the event loop: bytes between the socket and `Http2Connection`, calls to the servicer.

All output of one turn of the loop is written in one call: what answers the bytes just received when they are all read,
what comes later at the end of the turn.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable

from naiad.core.clock import Clock
from naiad.serving.worker import Worker
from naiad.wire.grpc.call import Serve
from naiad.wire.grpc.http2.deadlines import Deadlines
from naiad.wire.grpc.http2.framing.codes import ErrorCode
from naiad.wire.grpc.http2.framing.connection import Http2Connection
from naiad.wire.grpc.http2.framing.frames import ping
from naiad.wire.grpc.http2.framing.streams import Stream
from naiad.wire.grpc.http2.lifetime import Action, Lifetime
from naiad.wire.grpc.http2.options import Http2Options
from naiad.wire.grpc.http2.rpc.answers import trailers_only
from naiad.wire.grpc.http2.rpc.call import CallShare, RpcCall
from naiad.wire.grpc.http2.rpc.head import RpcHead, interpret
from naiad.wire.listening import Connection, gentle, unsent_bytes
from naiad.wire.waiting import Account

_PING = b"anyone??"


class GrpcConnection(Connection):
    """The server's side of one connection."""

    def __init__(
        self,
        serve: Serve,
        options: Http2Options,
        connections: set[GrpcConnection],
        deadlines: Deadlines,
        now: Clock,
        account: Account | None = None,
        worker: Worker | None = None,
    ) -> None:
        """Wait for the transport.

        serve: takes every call. connections: the listener's set; this one adds and removes itself. deadlines: the
        listener's. now: the clock of deadlines. account: for what waits here. worker: for what takes long.
        """
        self._serve = serve
        self._options = options
        self._connections = connections
        self._deadlines = deadlines
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._account = account or Account()
        self._http2 = Http2Connection(options.limits, interpret, self._accept, _refuse, self._wake, now, self._account)
        self._sender = self._http2.sender
        self._turn = self._http2.turn
        self._turn.wake = self._wait_a_turn
        self._share = CallShare(self._account, self._turn, worker or Worker())
        self._unsent_bytes = 0
        """Of what the account holds, those that are with the transport."""
        self._lifetime = Lifetime(options, now(), random.uniform(-1, 1))  # noqa: S311  # no secret
        self._timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        """Runs while answers wait for the client to read."""
        self._progress = (0, 0)
        """What tells whether it reads, when the timer looked last, and since when it has been so."""
        self._progress_s = 0.0
        self._transport: asyncio.Transport | None = None
        self._is_reading = False
        """Bytes are being read, after which output is written anyway."""
        self._is_going_on = False
        """Frames are left of this turn, and will be handled in the next."""
        self._requests = 0
        self.lost = asyncio.Event()
        """The connection is gone."""
        self.told = asyncio.Event()
        """The client knows that it must send no more calls, and those it sent before have come."""
        self._http2.on_final = self._know

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the loop."""
        self.has_begun = True
        self._transport = gentle(transport)
        self._connections.add(self)
        secured = transport.get_extra_info("ssl_object")
        if isinstance(secured, ssl.SSLObject) and secured.selected_alpn_protocol() != "h2":
            transport.close()  # RFC 9113, section 3.2: HTTP/2 over TLS is chosen by ALPN
            return
        self._http2.greet()
        if len(self._connections) > self._options.connections:
            self._http2.fail(ErrorCode.ENHANCE_YOUR_CALM, "too many connections; try again later")
            self._flush()
            return
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        """Withdraw what runs; called by the loop."""
        del exc
        self._connections.discard(self)
        self._transport = None
        self.lost.set()
        self.told.set()
        for timer in (self._timer, self._reading_timer):
            if timer is not None:
                timer.cancel()
        self._turn.close()
        self._http2.close()
        self._account.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes; called by the loop."""
        self._lifetime.heard_s = self._now()
        self._is_reading = True
        try:
            self._http2.receive(data)
        finally:
            self._is_reading = False
            self._flush()

    def _wait_a_turn(self) -> None:
        """Let others have their turn; read no more before what has come is handled."""
        if self._transport is not None and not self._is_going_on and not self._transport.is_closing():
            self._is_going_on = True
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_going_on = False
        if self._transport is None or self._sender.is_held:  # a client that does not read waits with its requests
            return
        self._is_reading = True
        try:
            self._http2.go_on()
        finally:
            self._is_reading = False
            self._flush()
        if self._transport is not None and not self._turn.is_behind and not self._sender.is_held:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Hold answers back, and read no more requests, from a client that does not read; called by the loop."""
        self._sender.is_held = True
        if self._transport is not None:
            self._transport.pause_reading()
            self._count_unsent(self._transport)

    def resume_writing(self) -> None:
        """Go on; called by the loop."""
        self._sender.is_held = False
        if self._transport is not None:
            self._count_unsent(self._transport)
        if self._turn.is_behind:
            self._wait_a_turn()
        elif self._transport is not None:
            self._transport.resume_reading()
        self._sender.pump()

    # calls

    def _accept(self, stream: Stream, head: RpcHead, ends: bool) -> None:
        """Take a request."""
        self._requests += 1
        if head.refusal:
            stream.send_headers(head.refusal, ends=True)
            return
        timeout_s = head.timeout_s
        deadline_s = None if timeout_s is None else self._now() + timeout_s
        call = RpcCall(stream, head, deadline_s, self._options.message_bytes, self._share)
        if deadline_s is not None:
            if not timeout_s:
                call.expire()
                return
            self._deadlines.add(call)
        stream.receiver = call
        self._serve(call)
        if ends:
            call.on_data(b"", 0, 0, True)

    # output

    def _wake(self) -> None:
        if not self._is_reading:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what waits, in one call."""
        transport, sender = self._transport, self._sender
        if transport is None:
            return
        if sender.output:
            is_large = sender.has_large
            output = sender.take()
            if is_large:
                transport.writelines(output)
            else:
                transport.write(b"".join(output))
        if sender.is_held or sender.held:
            self._hold_on(transport)
        if self._http2.is_done and not transport.is_closing():
            transport.close()
            self._set_timer(self._options.keepalive_timeout_s, self.abort)  # it may never read our last words

    def _hold_on(self, transport: asyncio.Transport) -> None:
        """Answers wait: for their turn, or for the client, who must not take forever."""
        sender = self._sender
        if sender.is_behind:
            self._loop.call_soon(self._pump)
        if sender.is_held:
            self._count_unsent(transport)
        if self._reading_timer is None:
            self._look_for_reading()

    def _pump(self) -> None:
        if self._sender.is_behind:
            self._sender.is_behind = False
            self._sender.pump()
            self._flush()

    def _count_unsent(self, transport: asyncio.Transport) -> None:
        size = transport.get_write_buffer_size()
        self._account.take(size - self._unsent_bytes)
        self._unsent_bytes = size

    def _look_for_reading(self) -> None:
        """Close the connection of a client that has not taken any of what waits for it for too long."""
        self._reading_timer = None
        transport, sender = self._transport, self._sender
        if transport is None or not (sender.is_held or sender.held):
            self._progress_s = 0.0
            return
        now_s, write_s = self._now(), self._options.write_s
        progress = (sender.uses, transport.get_write_buffer_size())
        if progress != self._progress or not self._progress_s:
            self._progress, self._progress_s = progress, now_s
        elif now_s - self._progress_s >= write_s:
            self.abort()
            return
        self._reading_timer = self._loop.call_later(min(write_s / 4, _LONGEST_LOOK_S), self._look_for_reading)

    # the end

    def drain(self) -> None:
        """Tell the client to send no more requests; what it sends before it knows is served."""
        if self._transport is not None:
            self._http2.drain()
            self._flush()

    def finish(self) -> None:
        """Close as soon as every answer is sent, and soon if the client is silent; for when all requests are answered.

        Calls that have no answer wait for their clients, and end.
        """
        for stream in list(self._http2.streams.values()):
            if stream.receiver is not None:
                stream.receiver.on_stop()
        self.drain()
        if not self.told.is_set():
            self._lifetime.end(self._now())
            self._tick()

    def _know(self) -> None:
        self.told.set()
        self._lifetime.know()

    def abort(self) -> None:
        """Close at once, whatever is owed."""
        if self._transport is not None:
            self._transport.abort()

    def _tick(self) -> None:
        """Do what the time asks for."""
        http2, transport = self._http2, self._transport
        if transport is None:
            return
        now_s = self._now()
        if self._lifetime.is_ending and unsent_bytes(transport):
            self._lifetime.heard_s = now_s  # our PING stands behind what it has to take first
        action, next_s = self._lifetime.decide(
            now_s, http2.is_greeted, len(http2.streams), self._requests, self._sender.uses
        )
        if action is Action.PING:
            self._sender.write(ping(_PING))
        elif action is Action.DRAIN:
            http2.drain()
        elif action is Action.TIME_OUT:
            http2.fail(ErrorCode.SETTINGS_TIMEOUT, "the client did not start HTTP/2 in time")
        elif action is Action.ABORT:
            self.abort()
            return
        self._flush()
        if not http2.is_done and next_s - now_s < _LONGEST_S:
            self._set_timer(max(next_s - now_s, 0.001), self._tick)

    def _set_timer(self, delay_s: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, call)


_LONGEST_LOOK_S = 5.0

_LONGEST_S = 10 * 365 * 86400.0
"""Loops cannot count further, and infinity is never."""


def _refuse(stream: Stream, reason: str) -> None:
    """Answer a request whose headers are too large."""
    stream.send_headers(trailers_only("RESOURCE_EXHAUSTED", reason), ends=True)
