"""`max_inflight_requests`: how many runs of one step may be under way, of all requests together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class StepLimit:
    """The runs of one step; those above the limit wait in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._waiting: deque[Callable[[], bool]] = deque()

    def try_take(self, start: Callable[[], bool]) -> bool:
        """Say whether a run may begin now; otherwise `start` is called when it may, and says whether it did begin."""
        if self._left:
            self._left -= 1
            return True
        self._waiting.append(start)
        return False

    def give_back(self) -> None:
        """Note that a run is over, and let the next one begin."""
        while self._waiting:
            if self._waiting.popleft()():
                return
        self._left += 1
