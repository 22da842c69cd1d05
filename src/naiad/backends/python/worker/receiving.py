"""The orders of the server, one after the other; a worker's life is as long as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable

from .process import leave
from .wire import Channel, Garbled, Message


def take_orders(run: Channel, take: Callable[[Message], bool]) -> None:
    """Have orders carried out until `take` says that one was the last, or the server is gone; then end the process."""
    try:
        while (message := run.receive()) is not None:
            if not take(message):
                leave(0)
            del message  # or what came with it would live until the next one
    except (OSError, Garbled) as error:
        print(f"the worker has lost its server: {error}", file=sys.stderr)  # noqa: T201 — there is no other way left
    leave(1)
