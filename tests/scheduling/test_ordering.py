"""Answers in the order of their requests, also where a request has several."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.scheduling.batching.ordering import Ordering
from naiad.scheduling.contract import Job


class Line:
    """Jobs called by letters, and what their owners heard."""

    def __init__(self, names: str) -> None:
        self.heard: list[str] = []
        self.jobs = {name: Job(name, 1, self._done) for name in names}
        self.ordering = Ordering()
        self.ordering.expect(list(self.jobs.values()))

    def _done(self, job: Job, result: Any, is_final: bool) -> None:
        self.heard.append(f"{job.item}{result}{'.' if is_final else ''}")

    def tell(self, what: str) -> None:
        """`a1` = the first result of a, `a2.` = its second and last."""
        self.ordering.tell(self.jobs[what[0]], what[1], what.endswith("."))


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (["a1.", "b1."], ["a1.", "b1."]),
        (["b1.", "a1."], ["a1.", "b1."]),
        (["c1.", "b1."], []),
        (["c1.", "b1.", "a1."], ["a1.", "b1.", "c1."]),
        (["a1", "a2"], ["a1", "a2"]),
        (["b1", "b2.", "a1", "a2."], ["a1", "a2.", "b1", "b2."]),
        (["b1", "a1.", "c1.", "b2", "b3."], ["a1.", "b1", "b2", "b3.", "c1."]),
    ],
    ids=" ".join,
)
def test_what_is_early_is_held_back(told: list[str], heard: list[str]) -> None:
    line = Line("abc")
    for one in told:
        line.tell(one)
    assert line.heard == heard


def test_an_owner_may_answer_for_another_job_while_it_hears_of_its_own() -> None:
    """As one that cancels its other requests when the first is answered."""
    line = Line("abc")

    def cancelling(job: Job, result: Any, is_final: bool) -> None:
        line.heard.append("a")
        line.tell("c0.")
        line.tell("b0.")

    line.jobs["a"].done = cancelling
    line.tell("a1.")
    assert line.heard == ["a", "b0.", "c0."]


def test_an_owner_that_raises_holds_nobody_up() -> None:
    line = Line("ab")

    def broken(job: Job, result: Any, is_final: bool) -> None:
        raise RuntimeError(job.item)

    line.jobs["a"].done = broken
    line.tell("b1.")
    line.tell("a1.")
    assert line.heard == ["b1."]
