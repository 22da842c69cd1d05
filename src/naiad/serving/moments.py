"""What a model knows of a traced request: when it was queued, run and computed."""

from __future__ import annotations

from collections.abc import Sequence

from naiad.core.trace import Trace
from naiad.scheduling.queue import Job


def mark_job(trace: Trace, job: Job) -> None:
    """Note the moments of a request that was one job."""
    run = job.run
    if run is None:
        trace.mark_run(job.queued_s, 0.0, 0.0, 0.0, 0.0)
    else:
        trace.mark_run(job.queued_s, run.started_s, run.input_ready_s, run.output_ready_s, run.finished_s)


def mark_jobs(trace: Trace, queued_s: float, jobs: Sequence[Job], now: float) -> None:
    """Note the moments of a request that was several jobs, decoded together: from the first run to now."""
    runs = [job.run for job in jobs if job.run is not None]
    if not runs:
        trace.mark_run(queued_s, 0.0, 0.0, 0.0, 0.0)
        return
    first = min(runs, key=lambda run: run.started_s)
    last_s = max(run.output_ready_s for run in runs)
    trace.mark_run(queued_s, first.started_s, first.input_ready_s, last_s, now if last_s else 0.0)
