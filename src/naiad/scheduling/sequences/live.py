"""Which sequences there are, what waits in each, and who has a place: all that can be said without running anything.

A sequence begins with a step that says START and takes the lowest free place of any lane. Where there is none it waits
in the backlog, first come, first served, as a whole. It ends after the step that says END, after a while without steps,
when a step is withdrawn, or when its instance fails; then its place goes to the first of the backlog. No I/O and no
event loop here: time is handed in.

Source of the rules: Triton's sequence batcher, as its documentation of stateful models describes it.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterator, Sequence
from itertools import islice

from naiad.core.errors import DeadlineExceeded, InvalidRequest, NaiadError
from naiad.core.message import SequenceStep
from naiad.scheduling.contract import Job
from naiad.scheduling.sequences.lane import Lane, LiveSequence

SPARE_ENTRIES = 64
"""Entries kept of sequences that have ended, besides as many as there are sequences."""

_log = logging.getLogger("naiad.scheduling")

Refused = tuple[Job, NaiadError]
"""A job that has been taken out, and what to tell its owner."""


class LiveSequences:
    """The sequences of one model version."""

    def __init__(self, model: str, lanes: Sequence[Lane], max_idle_s: float) -> None:
        self._model = model
        self._lanes = lanes
        self._max_idle_s = max_idle_s
        self._by_id: dict[int | str, LiveSequence] = {}
        self._backlog: dict[LiveSequence, None] = {}
        self._due: list[tuple[float, int, LiveSequence]] = []
        self._number = 0
        self._takes_no_more = False
        self.length = 0
        """Steps that wait."""

    @property
    def waiting(self) -> int:
        """Sequences without a place."""
        return len(self._backlog)

    @property
    def backlogged(self) -> int:
        """Steps that wait in sequences without a place."""
        return sum(len(sequence.waiting) for sequence in self._backlog)

    @property
    def active(self) -> int:
        """Sequences with a place."""
        return len(self._by_id) - len(self._backlog)

    def knows(self, id: int | str) -> bool:  # noqa: A002
        """Whether a sequence of this id is under way."""
        return id in self._by_id

    def add(
        self, job: Job, step: SequenceStep, now: float, timeout_us: int = 0, *, is_whole: bool = False
    ) -> LiveSequence:
        """Take in a step. Raises InvalidRequest for one that belongs to no sequence.

        timeout_us: how long its sequence may wait for a place; 0 = for ever. is_whole: nothing comes after it.
        """
        sequence = self._by_id.get(step.id)
        if not step.is_first and (sequence is None or sequence.is_ended):
            raise InvalidRequest(
                f"inference request for sequence {step.id} to model '{self._model}' must specify the START flag on "
                "the first request of the sequence"
            )
        if sequence is None:
            sequence = self._begin(step.id)
        elif step.is_first and not sequence.is_ended:
            _log.warning(
                "sequence %s of model '%s' begins again without having ended; the one before ends here",
                sequence.id,
                self._model,
            )
        sequence.is_ended = step.is_last or is_whole
        sequence.used_s = now
        sequence.waiting.append(job)
        self.length += 1
        if sequence.lane is None:
            if timeout_us:
                sequence.deadline_s = min(sequence.deadline_s, now + timeout_us / 1e6)
        elif sequence.running is None:
            sequence.lane.ready[sequence] = None
        if sequence.due_s > min(sequence.deadline_s, now + self._max_idle_s):
            self._look_at(sequence, min(sequence.deadline_s, now + self._max_idle_s))
        return sequence

    def take(self, sequence: LiveSequence) -> Job:
        """Take out the next step of a sequence, to run it."""
        assert sequence.lane is not None
        job = sequence.running = sequence.waiting.popleft()
        del sequence.lane.ready[sequence]
        self.length -= 1
        return job

    def put_back(self, sequence: LiveSequence, job: Job) -> None:
        """Let the step that has just run wait again, before all others of its sequence."""
        sequence.waiting.appendleft(job)
        self.length += 1

    def end_step(self, sequence: LiveSequence, now: float, *, was_last: bool) -> None:
        """Note that the step that ran is over; was_last: it ended the sequence."""
        sequence.running = None
        sequence.used_s = now
        self._go_on(sequence, may_keep_place=not was_last)

    def withdraw(self, job: Job) -> list[Job]:
        """Take out a step that waits, and with it all that come after it; none where it is not (any longer) here.

        Its sequence has ended then, after the steps that came before; in the backlog these are taken out, too.
        """
        sequence = self._by_id.get(job.item.sequence.id)
        if sequence is None or job not in sequence.waiting:
            return []
        begin = sequence.waiting.index(job)
        while sequence.lane is None and begin and not sequence.waiting[begin].item.sequence.is_first:
            begin -= 1
        jobs = self._cut(sequence, begin)
        self._go_on(sequence)
        return jobs

    def fail(self, sequence: LiveSequence) -> list[Job]:
        """End a sequence whose instance has failed in the middle of it: take out, and give, the steps that wait."""
        begins_anew = sequence.waiting and sequence.waiting[0].item.sequence.is_first
        return [] if begins_anew else self._cut(sequence, 0)

    def expire(self, now: float) -> Iterator[Refused]:
        """End the sequences whose time is over; gives what waited in them."""
        while self._due and self._due[0][0] <= now:
            due_s, _, sequence = heapq.heappop(self._due)
            if due_s != sequence.due_s or self._by_id.get(sequence.id) is not sequence:
                continue
            sequence.due_s = math.inf
            if sequence.deadline_s <= now:
                while sequence.waiting:
                    for job in self._cut(sequence, 0):
                        yield job, DeadlineExceeded("timeout of the corresponding sequence has been expired")
                self._go_on(sequence)
            elif sequence.is_busy:
                self._look_at(sequence, min(sequence.deadline_s, now + self._max_idle_s))
            elif sequence.used_s + self._max_idle_s > now:
                self._look_at(sequence, sequence.used_s + self._max_idle_s)
            else:
                _log.debug("sequence %s of model '%s' has ended: it was idle for too long", sequence.id, self._model)
                self._end(sequence)

    @property
    def next_due_s(self) -> float:
        """When `expire` should be called next; may be early, never late; `math.inf`: never."""
        return self._due[0][0] if self._due else math.inf

    def take_no_more(self) -> None:
        """No steps come any more: a sequence is over when all that waits in it is."""
        self._takes_no_more = True
        for sequence in list(self._by_id.values()):
            if not sequence.is_busy:
                self._end(sequence)

    def clear(self) -> list[Job]:
        """Take out, and give, all that waits."""
        jobs = [job for sequence in self._by_id.values() for job in sequence.waiting]
        for sequence in self._by_id.values():
            sequence.waiting.clear()
        for lane in self._lanes:
            lane.ready.clear()
        self.length = 0
        return jobs

    def _begin(self, id: int | str) -> LiveSequence:  # noqa: A002
        sequence = self._by_id[id] = LiveSequence(id)
        if self._backlog or not self._place(sequence):
            self._backlog[sequence] = None
        return sequence

    def _place(self, sequence: LiveSequence) -> bool:
        """Give a sequence the lowest place that is free in any lane, if there is one; so that lanes fill evenly."""
        found: Lane | None = None
        lowest = math.inf
        for lane in self._lanes:
            place = lane.free_place
            if place is not None and place < lowest:
                found, lowest = lane, place
        if found is not None:
            found.put(sequence)
            sequence.deadline_s = math.inf
        return found is not None

    def _go_on(self, sequence: LiveSequence, *, may_keep_place: bool = True) -> None:
        """Settle what becomes of a sequence after something has been taken out of it."""
        if sequence.running is not None:
            return
        if not sequence.waiting:
            if sequence.is_ended or self._takes_no_more:
                self._end(sequence)
            elif sequence.lane is not None:
                sequence.lane.ready.pop(sequence, None)
        elif sequence.lane is not None:
            if may_keep_place or not self._backlog:
                sequence.lane.ready[sequence] = None
            else:  # one of the same id has begun: it has no better right to the place than those before it
                sequence.lane.remove(sequence)
                self._backlog[sequence] = None
                self._fill_places()

    def _end(self, sequence: LiveSequence) -> None:
        del self._by_id[sequence.id]
        if sequence.lane is None:
            self._backlog.pop(sequence, None)
        else:
            sequence.lane.remove(sequence)
            self._fill_places()

    def _fill_places(self) -> None:
        while self._backlog:
            first = next(iter(self._backlog))
            if not self._place(first):
                return
            del self._backlog[first]

    def _cut(self, sequence: LiveSequence, begin: int) -> list[Job]:
        """Take out the steps from that one on, up to the next beginning, if there is one."""
        waiting = list(sequence.waiting)
        end = next((at for at in range(begin + 1, len(waiting)) if waiting[at].item.sequence.is_first), len(waiting))
        if end == len(waiting):
            sequence.is_ended = True
        sequence.waiting.clear()
        sequence.waiting.extend(islice(waiting, begin))
        sequence.waiting.extend(waiting[end:])
        self.length -= end - begin
        return waiting[begin:end]

    def _look_at(self, sequence: LiveSequence, due_s: float) -> None:
        """Remember when to look at a sequence, and forget entries of those that have ended."""
        sequence.due_s = due_s
        self._number += 1
        heapq.heappush(self._due, (due_s, self._number, sequence))
        if len(self._due) > 2 * len(self._by_id) + SPARE_ENTRIES:
            self._due = [
                entry for entry in self._due if entry[0] == entry[2].due_s and self._by_id.get(entry[2].id) is entry[2]
            ]
            heapq.heapify(self._due)
