"""Which rows run now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from naiad.scheduling.decision import Run, Situation, WaitUntil
from naiad.scheduling.sequences.direct import DirectRule, decide_direct


@dataclass
class Step:
    queued_s: float = 0.0
    shape_key: Any = None
    size: int = 1


@pytest.mark.parametrize(
    ("rule", "waiting", "now", "expected"),
    [
        (DirectRule(8), [Step()], 0.0, Run([0])),
        (DirectRule(8), [Step(), Step(5.0)], 0.0, Run([0, 1])),
        (DirectRule(8), [Step(0.0, "x"), Step(0.0, "y"), Step(0.0, "x")], 0.0, Run([0, 2])),
        (DirectRule(8, 5.0), [Step()], 0.0, Run([0])),
        (DirectRule(8, 0.0, 1.0), [Step()], 0.0, Run([0])),
        (DirectRule(4, 5.0, 0.5), [Step(1.0)], 3.0, WaitUntil(6.0)),
        (DirectRule(4, 5.0, 0.5), [Step(1.0), Step(2.0)], 3.0, Run([0, 1])),
        (DirectRule(4, 5.0, 0.75), [Step(3.0), Step(2.0)], 3.0, WaitUntil(7.0)),
        (DirectRule(4, 5.0, 0.75), [Step(3.0), Step(2.0)], 7.0, Run([0, 1])),
        (DirectRule(4, 5.0, 1.0), [Step()] * 4, 0.0, Run([0, 1, 2, 3])),
    ],
    ids=str,
)
def test_rows_run_at_once_unless_there_is_time_to_wait_for_more(
    rule: DirectRule, waiting: list[Step], now: float, expected: Any
) -> None:
    assert decide_direct(Situation(waiting, now), rule) == expected
