"""A line for each call when the log is verbose: method, status, milliseconds."""

from __future__ import annotations

import logging
from typing import Any, cast

from naiad.core.clock import Clock, monotonic
from naiad.wire.grpc.call import Call
from naiad.wire.grpc.compression import Packed

_log = logging.getLogger("naiad.wire.grpc")


def noted(call: Call) -> Call:
    """Return what the servicer takes in place of a call."""
    stands_in: Any = _NotedCall(call)
    return cast("Call", stands_in)


class _NotedCall:
    """A call that writes its line when it ends; in all else the call that it stands for."""

    __slots__ = ("_began_s", "_call", "_clock", "_is_over")

    def __init__(self, call: Call, clock: Clock = monotonic) -> None:
        for name, value in {"_call": call, "_clock": clock, "_began_s": clock(), "_is_over": False}.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "on_cancel" and value is not None:
            setattr(self._call, name, lambda: self._cancelled(value))
        else:
            setattr(self._call, name, value)

    def answer(self, message: bytes | Packed) -> None:
        """See `Call`."""
        self._call.answer(message)
        self._write("OK")

    def finish(self, status: str = "OK", message: str = "") -> None:
        """See `Call`."""
        self._call.finish(status, message)
        self._write(status)

    def _cancelled(self, on_cancel: Any) -> None:
        self._write("CANCELLED")
        on_cancel()

    def _write(self, status: str) -> None:
        if not self._is_over:
            object.__setattr__(self, "_is_over", True)
            _log.debug("%s %s %.3f ms", self._call.method, status, 1e3 * (self._clock() - self._began_s))
