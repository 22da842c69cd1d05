"""Every row of the table of sequences can be measured."""

from __future__ import annotations

import pytest

from sequence_steps import config, measure


@pytest.mark.parametrize("strategy", ["oldest", "direct"])
@pytest.mark.parametrize("state", [False, True])
async def test_steps_are_counted(strategy: str, state: bool) -> None:
    assert await measure(config(strategy, 10, controls=True, state=state), 10, 0.02) > 100
