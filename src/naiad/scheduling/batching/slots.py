"""Which instance runs the next batch: a pure choice by what each has in hand, as what to batch is one by what waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from naiad.scheduling.contract import LimitedRunner, Runner

LONE_JOBS = 3
"""After so many jobs that came alone, the next lone one gets all cores; between two clients it would only be in the way
of the other's job."""


class Slot:
    """One instance as its scheduler sees it."""

    __slots__ = ("capacity", "in_hand", "is_up", "limited", "runner")

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.capacity = runner.capacity
        """Executions that may be under way at the same time."""
        self.in_hand = 0
        """Executions started and not finished."""
        self.is_up: Callable[[], bool] | None = getattr(runner, "is_up", None)
        """Whether the instance can run a batch now; None: it always can."""
        self.limited: LimitedRunner | None = None
        """The runner, if it asks elsewhere before each execution."""

    def limit(self, wrap: Callable[[Runner], LimitedRunner]) -> None:
        """Put a limit before the runner."""
        self.runner = self.limited = wrap(self.runner)


def choose_slot(slots: Sequence[Slot], wide: Slot | None, lone_jobs: int) -> Slot | None:
    """Give the slot that can start a batch right now and has least in hand, the first of several; if there is one.

    One whose worker is away gets none while another one's is there: it would fail what the others could do.

    wide: the instance with all cores, for a job that has the machine to itself. lone_jobs: how many in a row have come
    to an empty queue and idle instances, the one that waits now included; 0: it is not alone.
    """
    if wide is not None and lone_jobs > LONE_JOBS:
        return wide
    best: Slot | None = None
    away: Slot | None = None
    is_any_up = False
    for slot in slots:
        if slot.is_up is not None and not slot.is_up():
            away = away or (slot if slot.in_hand < slot.capacity else None)
            continue
        is_any_up = True
        if not slot.in_hand:
            return slot
        if slot.in_hand < slot.capacity and (best is None or slot.in_hand < best.in_hand):
            best = slot
    return best if is_any_up else away


def choose_ahead(slots: Sequence[Slot]) -> Slot | None:
    """Give the first busy slot that takes one more batch to go on with, if there is one."""
    for slot in slots:
        runner = slot.runner
        if slot.capacity <= slot.in_hand < slot.capacity + runner.ahead and not runner.runs_inline:
            return slot
    return None


def claim_slot(slots: Sequence[Slot], wake: Callable[[], None]) -> Slot | None:
    """Have every limited slot that can start a batch ask for leave; give the first that has it.

    wake: called when another one has it.
    """
    free = [slot for slot in slots if slot.limited is not None and slot.in_hand < slot.capacity]
    for slot in sorted(free, key=lambda one: one.limited.share if one.limited is not None else 0):
        if slot.limited is not None and slot.limited.claim(wake):
            return slot
    return None


def waive(slots: Sequence[Slot]) -> None:
    """Give up all leave that was asked for and is not used: there is no batch for it."""
    for slot in slots:
        if slot.limited is not None:
            slot.limited.waive()
