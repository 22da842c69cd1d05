"""Which instance runs the next batch, as tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from naiad.scheduling.batching.slots import LONE_JOBS, Slot, choose_ahead, choose_slot


class Runner(NamedTuple):
    capacity: int = 1
    ahead: int = 1
    runs_inline: bool = False
    is_up: Any = None

    def start(self, execution: Any, listener: Any) -> None: ...

    def close(self) -> None: ...


PLAIN, INLINE, STREAM = Runner(), Runner(runs_inline=True), Runner(capacity=3, ahead=0)
UP, AWAY = Runner(3, 0, is_up=lambda: True), Runner(3, 0, is_up=lambda: False)
AWAY_PLAIN = Runner(is_up=lambda: False)


def slots(*made_of: tuple[Runner, int]) -> list[Slot]:
    """Slots of these runners, with so many executions in hand."""
    made = []
    for runner, in_hand in made_of:
        slot = Slot(runner)  # type: ignore[arg-type]  # a tuple's fields are read-only
        slot.in_hand = in_hand
        made.append(slot)
    return made


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        pytest.param([(PLAIN, 0)], 0, id="the only one"),
        pytest.param([(PLAIN, 1), (PLAIN, 0), (PLAIN, 0)], 1, id="the first that has nothing to do"),
        pytest.param([(PLAIN, 1), (INLINE, 1)], None, id="none"),
        pytest.param([(STREAM, 2)], 0, id="a streaming one until it is full"),
        pytest.param([(STREAM, 3)], None, id="a full one no longer"),
        pytest.param([], None, id="no instances at all"),
        pytest.param([(STREAM, 2), (STREAM, 1), (STREAM, 1)], 1, id="the streaming one with least to do"),
        pytest.param([(AWAY, 0), (UP, 2)], 1, id="not one whose worker is away"),
        pytest.param([(AWAY, 0), (UP, 3)], None, id="rather none than that one"),
        pytest.param([(AWAY, 3), (AWAY, 1)], 1, id="unless all are away, and then one with room"),
    ],
)
def test_a_batch_starts_where_there_is_room(given: list[tuple[Runner, int]], chosen: int | None) -> None:
    made = slots(*given)
    assert choose_slot(made, None, 0) is (None if chosen is None else made[chosen])


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        pytest.param([(PLAIN, 1)], 0, id="one that runs a batch in its thread"),
        pytest.param([(PLAIN, 2)], None, id="not one that has its next batch already"),
        pytest.param([(PLAIN, 2), (PLAIN, 1)], 1, id="the next one then"),
        pytest.param([(INLINE, 1)], None, id="nothing waits for a batch on the loop"),
        pytest.param([(STREAM, 3)], None, id="a streaming one takes none"),
        pytest.param([(AWAY_PLAIN, 0), (PLAIN, 1)], 1, id="not one that has nothing to do because it is away"),
    ],
)
def test_a_busy_one_takes_one_batch_ahead(given: list[tuple[Runner, int]], chosen: int | None) -> None:
    made = slots(*given)
    assert choose_ahead(made) is (None if chosen is None else made[chosen])


@pytest.mark.parametrize(
    ("lone_jobs", "is_wide"), [(0, False), (1, False), (LONE_JOBS, False), (LONE_JOBS + 1, True), (99, True)]
)
def test_all_cores_are_for_one_that_has_been_alone_for_a_while(lone_jobs: int, is_wide: bool) -> None:
    (narrow,) = slots((PLAIN, 0))
    (wide,) = slots((PLAIN, 0))
    assert choose_slot([narrow], wide, lone_jobs) is (wide if is_wide else narrow)
