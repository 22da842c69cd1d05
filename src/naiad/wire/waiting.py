"""Bytes that wait: bodies that are being read, requests that are not answered, answers that are not sent.

Counting requests does not bound memory, as one may be a thousand times as large as another. So their bytes are counted,
for each connection and for all doors of a server together, and what would go past a bound is refused.
"""

from __future__ import annotations

from typing import Any

from naiad.core.machine.memory import available_memory
from naiad.core.message import InferRequest, InferResponse
from naiad.core.tensor import Array

REQUEST_BYTES = 2048
"""What a request takes besides its bytes."""

_STRING_BYTES = 48
"""What a string takes besides its bytes."""

_LOOKED_AT = 1024
"""Strings of a tensor."""

_FRACTION = 4
"""One part in so many of the memory there is may wait."""


class Waiting:
    """What waits in one server."""

    __slots__ = ("bytes", "connection_bytes", "most_bytes")

    def __init__(self, most_bytes: int = 0, connection_bytes: int = 0) -> None:
        """most_bytes: 0: a quarter of the memory that this process may use. connection_bytes: 0: half of that."""
        self.bytes = 0
        self.most_bytes = most_bytes or available_memory() // _FRACTION
        self.connection_bytes = connection_bytes or self.most_bytes // 2


class Account:
    """What waits for one connection."""

    __slots__ = ("bytes", "most_bytes", "transport", "waiting")

    def __init__(self, waiting: Waiting | None = None) -> None:
        self.waiting = waiting or Waiting()
        self.bytes = 0
        self.most_bytes = self.waiting.connection_bytes
        self.transport: Any = None
        """The connection's own, while it has one: who is at its ends, and the way to close it."""

    @property
    def is_over(self) -> bool:
        """More waits than may."""
        return self.bytes > self.most_bytes or self.waiting.bytes > self.waiting.most_bytes

    @property
    def reason(self) -> str:
        """Why something is refused."""
        if self.bytes > self.most_bytes:
            return (
                f"more than {self.most_bytes} bytes of requests and answers would wait for this connection; read "
                "answers before sending more. Use --max-connection-waiting-size to increase the limit."
            )
        return (
            f"more than {self.waiting.most_bytes} bytes of requests and answers would wait in this server; try again "
            "later. Use --max-waiting-size to increase the limit."
        )

    def take(self, size: int) -> None:
        """Count more, or less; whether that is too much is asked afterwards."""
        self.bytes += size
        self.waiting.bytes += size

    def close(self) -> None:
        """Count nothing any more: the connection is gone."""
        self.take(-self.bytes)


def weight_of(message: InferRequest | InferResponse) -> int:
    """Bytes that the tensors of a message take, roughly: of long lists of strings a few are looked at."""
    tensors = message.inputs.values() if isinstance(message, InferRequest) else message.outputs
    return sum(_weight(tensor.data) for tensor in tensors)


def _weight(data: Array) -> int:
    if data.dtype != object or not data.size:
        return data.nbytes
    some = data.ravel()[:: max(1, data.size // _LOOKED_AT)].tolist()
    return data.nbytes + data.size * (_STRING_BYTES + sum(map(len, some)) // len(some))
