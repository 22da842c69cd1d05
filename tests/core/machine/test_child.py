"""Processes of our own that may die: their memory is bounded, and how they ended is told."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from naiad.core.machine.child import Ended, run_child

GREEDY = (
    "from naiad.core.machine.child import limit_memory\n"
    "limit_memory(64 * 2**20)\n"
    "try:\n bytearray(2**30)\nexcept MemoryError:\n print('refused')\n"
)


def test_a_limit_counts_from_what_a_process_has() -> None:
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_a_child_reads_its_order_and_is_heard() -> None:
    assert run_child("json.tool", '{"a": 1}', seconds=60) == Ended(0, '{\n    "a": 1\n}\n', "")


def test_a_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError, match="did not finish within 0 s"):
        run_child("json.tool", "[]", seconds=1e-3)


@pytest.mark.parametrize(("status", "killed_by"), [(0, None), (3, None), (-6, signal.SIGABRT), (-63, 63)])
def test_how_it_ended(status: int, killed_by: object) -> None:
    assert Ended(status, "", "").killed_by == killed_by
