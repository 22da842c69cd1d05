"""Every rule of `dynamic_batching`, live: through Triton's clients, over both doors, with the instances held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gated import DOORS, PATIENCE_S, error_of, house

UNAVAILABLE = {"http": "503", "grpc": "StatusCode.UNAVAILABLE"}
LONG_US = 3_600_000_000
POLICY = "default_queue_policy {{ timeout_action: {action} default_timeout_microseconds: {limit} {more} }}"
SHORT_US = 50_000


def policy(action: str = "REJECT", limit: int = SHORT_US, more: str = "") -> str:
    return POLICY.format(action=action, limit=limit, more=more)


def block(*lines: str) -> dict[str, str]:
    return {"m": f"dynamic_batching {{ {' '.join(lines)} }}"}


pytestmark = pytest.mark.parametrize("door", DOORS)


@pytest.mark.parametrize(
    ("lines", "names", "batches"),
    [
        ((), "abcdef", ["abcd", "ef"]),
        (("preferred_batch_size: [ 2 ]",), "abcde", ["ab", "cd", "e"]),
        (("preferred_batch_size: [ 2, 3 ]",), "abcde", ["abc", "de"]),
    ],
    ids=["as many as may", "a preferred size", "the larger one"],
)
def test_what_waits_is_joined(
    tmp_path: Path, door: str, lines: tuple[str, ...], names: str, batches: list[str]
) -> None:
    with house(tmp_path, block(*lines), run_ahead=False) as here:
        here.keep_busy(door, "m")
        asked = here.queue(door, "m", names)
        here.gate.open()
        assert [one.result(PATIENCE_S) for one in asked] == [[0]] * len(names)
        assert here.gate.batches == [["busy"], *map(list, batches)]


@pytest.mark.parametrize(("more", "size"), [("", 4), ("preferred_batch_size: [ 3 ]", 3)], ids=["full", "preferred"])
def test_a_batch_that_is_large_enough_does_not_wait(tmp_path: Path, door: str, more: str, size: int) -> None:
    with house(tmp_path, block(more, f"max_queue_delay_microseconds: {LONG_US}"), run_ahead=False) as here:
        here.gate.open()
        asked = [here.ask(door, "m", str(number)) for number in range(2 * size)]
        assert [one.result(PATIENCE_S) for one in asked] == [[0]] * 2 * size
        assert [len(batch) for batch in here.gate.batches] == [size, size]


def test_a_lone_request_waits_for_the_delay_and_no_longer(tmp_path: Path, door: str) -> None:
    with house(tmp_path, block(f"max_queue_delay_microseconds: {SHORT_US}")) as here:
        here.gate.open()
        assert here.ask(door, "m", "alone").result(PATIENCE_S) == [0]


def test_a_request_is_never_split_and_no_batch_is_too_large(tmp_path: Path, door: str) -> None:
    with house(tmp_path, block(), run_ahead=False) as here:
        here.keep_busy(door, "m")
        asked = here.queue(door, "m", "a", rows=3) + here.queue(door, "m", "b", rows=2) + here.queue(door, "m", "cd")
        here.gate.open()
        assert [len(one.result(PATIENCE_S)) for one in asked] == [3, 2, 1, 1]
        assert here.gate.batches[1:] == [["a"], ["b", "c", "d"]]


def test_answers_keep_the_order_of_requests(tmp_path: Path, door: str) -> None:
    """The second is answered only after the first, though it has run before; a third, of another model, at once."""
    with house(tmp_path, {**block("preserve_ordering: true"), "free": ""}, most=1, instances=2) as here:
        first = here.gate.hold("first")
        asked = [here.ask(door, "m", "first")]
        here.gate.until_began()
        here.gate.open()
        asked.append(here.ask(door, "m", "second"))
        here.gate.until_began()
        assert here.ask(door, "free", "third").result(PATIENCE_S) == [0]
        assert not asked[1].done()
        first.set()
        assert [one.result(PATIENCE_S) for one in asked] == [[0], [0]]


def test_levels_go_before_each_other_and_zero_is_the_default_level(tmp_path: Path, door: str) -> None:
    levels = "priority_levels: 3 default_priority_level: 2"
    with house(tmp_path, block(levels), most=1) as here:
        asked = here.keep_busy(door, "m")
        for name, priority in (("low", 3), ("default", 0), ("beyond", 9), ("high", 1), ("too", 1)):
            before = here.pending("m")
            asked.append(here.ask(door, "m", name, priority=priority))
            here.until(lambda before=before: here.pending("m") > before)  # type: ignore[misc]
        here.gate.open()
        for one in asked:
            one.result(PATIENCE_S)
        assert here.gate.batches == [["busy"], ["high"], ["too"], ["default"], ["beyond"], ["low"]]


@pytest.mark.parametrize("run_ahead", [True, False])
def test_a_queue_takes_exactly_as_many_as_it_may(tmp_path: Path, door: str, run_ahead: bool) -> None:
    with house(tmp_path, block("default_queue_policy { max_queue_size: 2 }"), most=1, run_ahead=run_ahead) as here:
        asked = here.keep_busy(door, "m") + here.queue(door, "m", "ab")
        for _ in range(2):
            assert error_of(here.ask(door, "m", "c")) == (
                UNAVAILABLE[door], "[request id: c] Exceeds maximum queue size",
            )  # fmt: skip
        here.gate.open()
        assert [one.result(PATIENCE_S) for one in asked] == [[0]] * 3
        assert here.gate.batches == [["busy"], ["a"], ["b"]]


def test_policies_hold_for_their_levels(tmp_path: Path, door: str) -> None:
    levels = "priority_levels: 2 default_priority_level: 2"
    of_one = "priority_queue_policy { key: 1 value { max_queue_size: 1 } }"
    with house(tmp_path, block(levels, of_one), most=1) as here:
        asked = here.keep_busy(door, "m") + here.queue(door, "m", "ab") + here.queue(door, "m", "c", priority=1)
        assert error_of(here.ask(door, "m", "d", priority=1))[0] == UNAVAILABLE[door]
        here.gate.open()
        for one in asked:
            one.result(PATIENCE_S)
        assert here.gate.batches == [["busy"], ["c"], ["a"], ["b"]]


@pytest.mark.parametrize("run_ahead", [True, False])
def test_who_waits_too_long_is_told_when_it_happens(tmp_path: Path, door: str, run_ahead: bool) -> None:
    """The instance is busy all the time: who waits for it to come free would wait for ever."""
    with house(tmp_path, block(policy()), most=1, run_ahead=run_ahead) as here:
        asked = here.keep_busy(door, "m")
        for late in (here.ask(door, "m", "a"), here.ask(door, "m", "b")):
            assert error_of(late) == (UNAVAILABLE[door], "Request timeout expired")
        here.gate.open()
        assert asked[0].result(PATIENCE_S) == [0]
        assert here.gate.batches == [["busy"]]
        assert here.pending("m") == 0


def test_who_is_late_may_be_delayed_instead(tmp_path: Path, door: str) -> None:
    """Behind the others of its level, and before lower levels."""
    levels = "priority_levels: 2 default_priority_level: 2"
    with house(tmp_path, block(levels, policy("DELAY")), most=1) as here:
        asked = here.keep_busy(door, "m") + here.queue(door, "m", "a", priority=1)
        here.until(lambda: here.look("m", lambda model: any(job.is_delayed for job in _waiting(model))))
        asked += here.queue(door, "m", "l") + here.queue(door, "m", "h", priority=1)
        here.gate.open()
        for one in asked:
            one.result(PATIENCE_S)
        assert here.gate.batches in ([["busy"], ["h"], ["a"], ["l"]], [["busy"], ["a"], ["h"], ["l"]])


@pytest.mark.parametrize(
    ("allows", "timeout_us", "is_late"),
    [("true", SHORT_US, True), ("true", 2 * LONG_US, False), ("true", 0, False), ("false", SHORT_US, False)],
    ids=["shorter", "longer than the default", "none", "not allowed"],
)
def test_a_request_may_wish_for_less_where_that_is_allowed(
    tmp_path: Path, door: str, allows: str, timeout_us: int, is_late: bool
) -> None:
    with house(tmp_path, block(policy(limit=LONG_US, more=f"allow_timeout_override: {allows}")), most=1) as here:
        here.keep_busy(door, "m")
        one = here.ask(door, "m", "a", timeout=timeout_us or None)
        if is_late:
            assert error_of(one) == (UNAVAILABLE[door], "Request timeout expired")
        else:
            here.until(lambda: here.pending("m") == 1)
            (limit_s,) = here.look("m", lambda model: [job.deadline_s - job.queued_s for job in _waiting(model)])
            assert limit_s == pytest.approx(LONG_US / 1e6)
            here.gate.open()
            assert one.result(PATIENCE_S) == [0]


def test_who_goes_leaves_a_batch_that_was_handed_ahead(tmp_path: Path, door: str) -> None:
    """Its client's patience is over while the instance, which is busy, has not begun it."""
    with house(tmp_path, block(), most=1) as here:
        asked = here.keep_busy(door, "m")
        gone = here.ask(door, "m", "gone", patience_s=0.5)
        here.until(lambda: here.pending("m") == 1)
        asked.append(here.ask(door, "m", "a"))
        here.until(lambda: here.look("m", lambda model: len(model._scheduler._aheads) == 1))
        assert gone.exception(PATIENCE_S) is not None
        here.until(lambda: here.look("m", lambda model: model.statistics.failures["CANCELED"] == 1))
        here.gate.open()
        assert [one.result(PATIENCE_S) for one in asked] == [[0], [0]]
        assert here.gate.batches == [["busy"], ["a"]]


def _waiting(model: Any) -> Any:
    return model._scheduler._queue.front(9)
