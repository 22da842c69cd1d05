"""Telling the operator that descriptors run out: the event loop drops connections then, and says nothing."""

from __future__ import annotations

import errno
import logging
import os
import resource

from naiad.core.clock import Clock, monotonic

_RESERVE = 16
"""With so few left it is time to say so."""
_PAUSE_S = 60.0
"""Between two lines of the log about it."""

_log = logging.getLogger("naiad.wire")


class Descriptors:
    """Those that this process may have."""

    def __init__(self, now: Clock = monotonic) -> None:
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._now = now
        self._told_s = -_PAUSE_S

    def look(self, one: int) -> None:
        """Warn if there are hardly any left; called with each connection. one: any that is, or was, open.

        The system gives the lowest number that is free, so that a copy tells how many are taken.
        """
        try:
            copy = os.dup(one)
        except OSError as error:
            if error.errno != errno.EMFILE:
                return
            copy = self._most
        else:
            os.close(copy)
        now_s = self._now()
        if copy >= self._most - _RESERVE and now_s >= self._told_s + _PAUSE_S:
            self._told_s = now_s
            _log.warning(
                "Too many open files: this process may have %d, and further connections are dropped; raise the limit "
                "(ulimit -n) or lower --max-connections",
                self._most,
            )
