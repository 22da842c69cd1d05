"""Telling the owners of jobs what became of them: at once, or in the order in which the jobs came."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from naiad.scheduling.contract import Job

_log = logging.getLogger("naiad.scheduling")


def tell(job: Job, result: Any, is_final: bool) -> None:
    """Tell a job's owner; a mistake of the owner's is no business of the jobs in the same batch."""
    try:
        job.done(job, result, is_final)
    except Exception:  # noqa: BLE001 — see above
        _log.exception("a result could not be delivered")


def tell_all(jobs: Sequence[Job], results: Sequence[Any]) -> None:
    """Tell the owner of each job its only result."""
    for job, result in zip(jobs, results, strict=True):
        try:
            job.done(job, result, True)
        except Exception:  # noqa: BLE001 — as in `tell`, without a call for every job
            _log.exception("a result could not be delivered")


class Ordering:
    """Holds back what is early, for models that answer in the order of their requests (`preserve_ordering`)."""

    def __init__(self) -> None:
        self._line: deque[Job] = deque()
        """Jobs that have not had their last result, in the order in which they came."""
        self._held: dict[Job, list[tuple[Any, bool]]] = {}
        """Results of all but the first."""

    def expect(self, jobs: Sequence[Job]) -> None:
        """Note jobs as they come."""
        self._line.extend(jobs)

    def tell_all(self, jobs: Sequence[Job], results: Sequence[Any]) -> None:
        """Tell the owner of each job its only result, as soon as it is its turn."""
        for job, result in zip(jobs, results, strict=True):
            self.tell(job, result, True)

    def tell(self, job: Job, result: Any, is_final: bool) -> None:
        """Tell the job's owner as soon as all before it have had their last result."""
        if job is not self._line[0]:
            self._held.setdefault(job, []).append((result, is_final))
            return
        tell(job, result, is_final)
        while is_final:
            self._line.popleft()
            if not self._line:
                return
            job, is_final = self._line[0], False
            for result, is_final in self._held.pop(job, ()):
                tell(job, result, is_final)
