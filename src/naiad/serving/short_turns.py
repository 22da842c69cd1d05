"""Shorter turns for threads while one of them computes in Python, so that the event loop soon gets on.

Python's own 5 ms, at each turn of the loop, leave others a third of their requests beside one who sends long bodies;
1 ms leaves them two thirds. Where nobody does such work it would only cost: small requests a twentieth of their rate.
"""

from __future__ import annotations

import sys
import threading

_TURN_S = 0.001


class ShortTurns:
    """The interpreter's switch interval, short for as long as there is any work; for every thread of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works = 0
        self._usual_s = 0.0

    def begin(self) -> None:
        """Work begins."""
        with self._lock:
            if not self._works:
                self._usual_s = sys.getswitchinterval()
                sys.setswitchinterval(min(_TURN_S, self._usual_s))
            self._works += 1

    def end(self) -> None:
        """As much work as has begun ends: with the last of it, the interval is what it was."""
        with self._lock:
            self._works -= 1
            if not self._works:
                sys.setswitchinterval(self._usual_s)


short_turns = ShortTurns()
"""The one of this process, because the interval is."""
