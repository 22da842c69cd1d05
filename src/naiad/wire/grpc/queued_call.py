"""A call whose messages wait until they are written: for transports that have a task for each call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from naiad.wire.grpc.call import GONE
from naiad.wire.grpc.compression import Packed
from naiad.wire.waiting import Account


class QueuedCall:
    """One RPC; see `Call`."""

    begun_s = 0.0
    """Messages come whole; when they began to come is not known."""

    def __init__(self, method: str, metadata: Mapping[str, str], deadline_s: float | None, account: Account) -> None:
        self.method = method
        self.account = account
        self.metadata = metadata
        self.deadline_s = deadline_s
        self.on_message: Any = None
        self.on_end: Any = None
        self.on_cancel: Any = None
        self.status = ""
        """Empty until the call is finished."""
        self.details = ""
        self.encoding = ""
        """Compression of answers."""
        self.trailing: Any = None
        self.outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        """Messages to write; None ends them."""

    def compress(self, level: str) -> None:
        """Leave it to whoever owns the connection; see `Call`."""

    def pack(self, message: bytes) -> Packed:
        """Leave it to the transport, which compresses beside the loop, if at all."""
        return Packed(False, message)

    def send(self, message: bytes | Packed) -> None:
        """See `Call`."""
        if not self.status:
            self.outbox.put_nowait(message.data if isinstance(message, Packed) else message)

    def answer(self, message: bytes | Packed) -> None:
        """See `Call`."""
        self.send(message)
        self.finish()

    def finish(self, status: str = "OK", message: str = "") -> None:
        """See `Call`."""
        if not self.status:
            self.status, self.details = status, message
            self.on_message = self.on_end = None
            self.outbox.put_nowait(None)

    def end(self) -> None:
        """End the call because its client has not asked to the end, and every request has been answered."""
        if not self.status:
            self.finish("UNAVAILABLE", GONE)
            if self.on_cancel is not None:
                self.on_cancel()

    def abandon(self) -> None:
        """Tell the servicer that nobody waits any more."""
        if not self.status:
            self.status = "CANCELLED"
            self.on_message = self.on_end = None
            if self.on_cancel is not None:
                self.on_cancel()

    def take(self, message: bytes) -> None:
        """Hand over what the client sends."""
        if self.on_message is not None:
            self.on_message(message)

    def take_end(self) -> None:
        """Say that the client will send no more."""
        if self.on_end is not None:
            self.on_end()
