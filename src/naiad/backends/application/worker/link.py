"""The worker's way to its server at any time, from any thread."""

from __future__ import annotations

import traceback
from contextlib import suppress
from typing import Any

from naiad.backends.application import wire
from naiad.backends.python.worker.regions import Owned
from naiad.backends.python.worker.tensors import Packed
from naiad.backends.python.worker.wire import Channel


class Link:
    """The sending end of the side channel."""

    def __init__(self, side: Channel) -> None:
        self.side = side
        self._owned = Owned()

    def packed(self) -> Packed:
        """Return an empty packet for data."""
        return Packed(self._owned)

    def send(self, kind: int, header: dict[str, Any], packed: Packed | None = None) -> None:
        """Send a message; a server that is gone is nobody's error here."""
        with suppress(OSError):
            if packed is None:
                self.side.send(kind, header)
            else:
                packed.send(self.side, kind, header)

    def log(self, text: str, level: str = "ERROR") -> None:
        """Write into the server's log."""
        self.send(wire.LOG, {"level": level, "text": text})

    def log_error(self, what: str, error: BaseException) -> None:
        """Write what the application has raised into the server's log."""
        self.log(f"{what}:\n{''.join(traceback.format_exception(error)).rstrip()}")
