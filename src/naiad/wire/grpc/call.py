"""The seam between a gRPC transport and the servicer.

A transport (grpc.aio, or HTTP/2 of our own) turns whatever it speaks into calls; the servicer answers them and knows of
no transport. Everything happens on the event loop's thread, by callbacks: there is no task for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from naiad.wire.grpc.compression import Packed
from naiad.wire.waiting import Account

GONE = "GRPC server is shutting down and has stopped accepting new requests."
"""Triton's words."""


class Call(Protocol):
    """One RPC, as the servicer sees it. Once it is over, it refers to nobody but by `on_cancel`."""

    method: str
    """Full path: `/inference.GRPCInferenceService/ModelInfer`."""
    metadata: Mapping[str, str]
    """Names in lower case; pseudo-headers left out; binary values (`-bin`) left as they came."""
    deadline_s: float | None
    """By the clock of `naiad.core.clock`; None = none."""
    on_message: Callable[[bytes], None] | None
    """Set by the servicer; called with each whole message, decompressed."""
    on_end: Callable[[], None] | None
    """Set by the servicer; called when the client will send no more messages."""
    on_cancel: Callable[[], None] | None
    """Set by the servicer; called once if the client cancels, disconnects, or the deadline passes before `finish`."""

    account: Account
    """What waits for its connection, requests that are not answered among it: who takes one counts it there."""
    encoding: str
    """Compression of what is sent; empty: none."""
    trailing: Callable[[], Mapping[str, bytes]] | None
    """Set by the servicer; makes metadata that go out behind the status. Values of names in `-bin` are plain bytes."""

    @property
    def begun_s(self) -> float:
        """When the first byte of the last message came; 0 = with its last byte, or the transport cannot know."""
        ...

    def compress(self, level: str) -> None:
        """Compress what is sent, as far as the client takes it; before the first `send`; level: low, medium, high."""
        ...

    def pack(self, message: bytes) -> Packed:
        """Do for a long message what `send` would do on the loop; may be called from any thread."""
        ...

    def send(self, message: bytes | Packed) -> None:
        """Send one message; ignored after `finish` or cancellation."""
        ...

    def answer(self, message: bytes | Packed) -> None:
        """Send the one message of the answer and end the call well: `send` and `finish` in one."""
        ...

    def finish(self, status: str = "OK", message: str = "") -> None:
        """End the call with a status by its gRPC name (`NOT_FOUND` …); further calls are ignored."""
        ...


Serve = Callable[[Call], None]
"""The servicer's entry: takes a call whose headers have arrived and sets its callbacks, or finishes it at once."""
