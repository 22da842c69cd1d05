"""Threads take shorter turns while there is long work, and only then."""

from __future__ import annotations

import sys

from naiad.serving.short_turns import ShortTurns


def test_turns_are_short_until_the_last_work_ends() -> None:
    usual_s, turns = sys.getswitchinterval(), ShortTurns()
    turns.begin()
    turns.begin()
    turns.end()
    assert sys.getswitchinterval() < usual_s
    turns.end()
    assert sys.getswitchinterval() == usual_s
