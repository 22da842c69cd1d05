"""`max_inflight_requests`: how many runs of one step may be under way, of all requests together.

What the limit keeps waiting holds back the decoupled step that makes it: `flows` keeps that step's model from running
ahead, so that what waits is one answer of each stream and not all that the model can make.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from naiad.core.flow import Flow

if TYPE_CHECKING:
    from naiad.serving.ensemble.plan import Plan
    from naiad.serving.ensemble.progress import Run
    from naiad.serving.model import ServedModel


class StepLimit:
    """The runs of one step; those above the limit wait in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._waiting: deque[Callable[[], bool]] = deque()

    @property
    def waiting(self) -> int:
        """Runs that wait, those included whose request has ended meanwhile."""
        return len(self._waiting)

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
    """The decoupled steps of one request that are under way, and what holds them back: what their answers lead to."""

    __slots__ = ("_behind", "_held", "_is_asking", "_of", "_open", "_passed_on", "_steps_behind")

    def __init__(self, steps_behind: Sequence[frozenset[int] | None], open_runs: Collection[Run], behind: Flow | None):
        """steps_behind: see `steps_behind`. open_runs: that are under way, or wait at a limit, at any time.

        behind: holds back the answers of the request itself, if it is a step of another ensemble.
        """
        self._steps_behind = steps_behind
        self._open = open_runs
        self._behind = behind
        self._of: dict[Run, Flow] = {}
        self._held: dict[int, int] = {}
        """By step, runs that wait at its limit."""
        self._passed_on = 0
        self._is_asking = False

    def begin(self, run: Run) -> Flow | None:
        """Return what holds back a run that begins; None: nothing."""
        if self._steps_behind[run.step] is None:
            return None
        flow = self._of[run] = Flow()
        return flow

    def came(self, run: Run, *, is_final: bool) -> None:
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

    def hold(self, run: Run) -> None:
        """Note that a run waits at the limit of its step."""
        self._held[run.step] = self._held.get(run.step, 0) + 1

    def release(self, run: Run) -> None:
        """Note that it waits no longer."""
        self._held[run.step] -= 1

    def let(self) -> None:
        """Let the runs go on behind which nothing waits."""
        if not self._of or self._is_asking:
            return
        if self._behind is None:
            self._go_on({step for step, count in self._held.items() if count})
        else:
            self._is_asking = True
            self._behind.when(self._passed_on, self._let_all_taken)

    def end(self) -> None:
        """Hold nothing back any more."""
        for flow in self._of.values():
            flow.end()
        self._of.clear()

    def _let_all_taken(self) -> None:
        """Go on where nothing is on its way to become an answer, which would have to be taken, too."""
        self._is_asking = False
        self._go_on({run.step for run in self._open})

    def _go_on(self, waiting: set[int]) -> None:
        for run, flow in list(self._of.items()):
            behind = self._steps_behind[run.step]
            if behind is None or waiting.isdisjoint(behind):
                flow.go_on()


def steps_behind(plan: Plan, parts: Sequence[ServedModel]) -> list[frozenset[int] | None]:
    """Say by step what steps its answers lead to; None: it is not held back.

    Held back are decoupled steps, unless their model also runs behind them: there it would wait for itself.
    """
    found: list[frozenset[int] | None] = []
    for number, step in enumerate(plan.steps):
        behind = _behind(plan, number)
        meets_itself = any(_models(parts[number]) & _models(parts[one]) for one in behind)
        found.append(behind if step.is_decoupled and not meets_itself else None)
    return found


def _behind(plan: Plan, number: int) -> frozenset[int]:
    made, found = set(plan.steps[number].makes.values()), set[int]()
    while more := {at for at, other in enumerate(plan.steps) if made.intersection(other.waits_for)} - found:
        found |= more
        made.update(*(plan.steps[at].makes.values() for at in more))
    return frozenset(found)


def _models(part: ServedModel) -> frozenset[str]:
    """Name the models that a step may run: its own and, of an ensemble, the parts."""
    ensemble = part.config.ensemble
    return frozenset({part.name} if ensemble is None else {part.name, *ensemble.models})
