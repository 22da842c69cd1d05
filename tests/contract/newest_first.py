"""A made-up kind of scheduler: one new file, and one row where it is wanted."""

from __future__ import annotations

from naiad.scheduling.contract import Scheduler
from naiad.scheduling.decision import Decision, Run, Situation
from naiad.scheduling.kinds import Kind, OpenRequest, open_batches
from naiad.scheduling.queue import JobQueue


def decide_newest_first(situation: Situation) -> Decision:
    """Run the newest job alone; the oldest may starve."""
    return Run((len(situation.waiting) - 1,))


def open_newest_first(request: OpenRequest) -> Scheduler:
    batching = request.config.dynamic_batching
    assert batching is not None
    queue = JobQueue(batching.default_queue_policy, most=request.max_waiting)
    return open_batches("m", request.instances, decide_newest_first, queue, on_run=request.on_run, clock=request.clock)


NEWEST_FIRST = Kind("newest first", lambda config: config.parameters.get("order") == "newest first", open_newest_first)
