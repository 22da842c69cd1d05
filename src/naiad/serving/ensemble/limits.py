"""`max_inflight_requests`: how many runs of one step may be under way, of all requests together.

What the limit keeps waiting holds back the decoupled step that makes it: `flows` keeps that step's model from running
ahead, so that what waits is one answer of each stream and not all that the model can make.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from naiad.core.flow import Flow

if TYPE_CHECKING:
    from naiad.serving.ensemble.plan import Plan
    from naiad.serving.model import ServedModel


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


class Flows:
    """The decoupled steps of one request that are under way, and what holds them back."""

    __slots__ = ("_behind", "_is_asking", "_of", "_passed_on", "held")

    def __init__(self, behind: Flow | None) -> None:
        """behind: holds back the answers of the request itself, if it is a step of another ensemble."""
        self._behind = behind
        self._of: dict[object, Flow] = {}
        self._passed_on = 0
        self._is_asking = False
        self.held = 0
        """Runs that wait at a limit."""

    def begin(self, run: object) -> Flow:
        """Return what holds back a run that begins."""
        flow = self._of[run] = Flow()
        return flow

    def came(self, run: object, *, is_final: bool) -> None:
        """Note an answer of a run."""
        flow = self._of.get(run)
        if flow is not None:
            flow.came()
            if is_final:
                del self._of[run]
                flow.end()

    def passed_on(self) -> None:
        """Note an answer of the request that is not its last."""
        self._passed_on += 1

    def let(self) -> None:
        """Let the runs go on if nothing of the request waits, here or behind it."""
        if self.held or not self._of or self._is_asking:
            return
        if self._behind is None:
            self._go_on()
        else:
            self._is_asking = True
            self._behind.when(self._passed_on, self._go_on_behind)

    def end(self) -> None:
        """Hold nothing back any more."""
        for flow in self._of.values():
            flow.end()
        self._of.clear()

    def _go_on_behind(self) -> None:
        self._is_asking = False
        if not self.held:
            self._go_on()

    def _go_on(self) -> None:
        for flow in list(self._of.values()):
            flow.go_on()


def held_back(plan: Plan, parts: Sequence[ServedModel]) -> list[bool]:
    """Say which steps' models may be held back: decoupled ones, unless they also run behind the step.

    There they would wait for themselves, with an instance that is held back.
    """
    behind: list[set[int]] = []
    for step in plan.steps:
        found: set[int] = set()
        made = set(step.makes.values())
        while True:
            more = {number for number, other in enumerate(plan.steps) if made.intersection(other.waits_for)} - found
            if not more:
                break
            found |= more
            made.update(*(plan.steps[number].makes.values() for number in more))
        behind.append(found)
    return [
        step.is_decoupled and not any(models_of(parts[number]) & models_of(parts[one]) for one in behind[number])
        for number, step in enumerate(plan.steps)
    ]


def models_of(part: ServedModel) -> frozenset[str]:
    """Name the models that a step may run: its own and, of an ensemble, the parts."""
    ensemble = part.config.ensemble
    return frozenset({part.name} if ensemble is None else {part.name, *ensemble.models})
