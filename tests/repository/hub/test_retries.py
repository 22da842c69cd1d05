from __future__ import annotations

from datetime import UTC, datetime

import pytest

from naiad.repository.hub.retries import Busy, HubUnavailable, Retries, retry_after_s


class Flaky:
    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)

    def __call__(self) -> str:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def run(flaky: Flaky, total_s: float = 60) -> tuple[list[float], list[str], str | None]:
    slept, notes = list[float](), list[str]()
    try:
        return slept, notes, Retries(total_s, slept.append, notes.append).call(flaky)
    except HubUnavailable as error:
        return slept, [*notes, error.message], None


def test_waits_double_and_are_told() -> None:
    slept, notes, result = run(Flaky(Busy("busy"), Busy("busy"), Busy("busy"), "done"))
    assert (slept, result) == ([1, 2, 4], "done")
    assert notes[0] == "busy; trying again in 1 s"


def test_retries_end() -> None:
    slept, notes, result = run(Flaky(*[Busy("busy")] * 50))
    assert (slept, result, notes[-1]) == ([1, 2, 4, 8, 16], None, "busy")


def test_what_the_server_asks_for_counts_instead() -> None:
    assert run(Flaky(Busy("busy", 7), "done"))[0] == [7]


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    slept, notes, result = run(Flaky(Busy("busy", 300), "done"))
    assert (slept, result, notes[-1]) == ([], None, "busy (it asks to wait 300 s)")


def test_a_server_that_always_says_now_does_not_loop_for_ever() -> None:
    slept, _, result = run(Flaky(*[Busy("busy", 0)] * 2000))
    assert (len(slept) < 1000, result) == (True, None)


def test_other_errors_pass_at_once() -> None:
    with pytest.raises(KeyError):
        run(Flaky(KeyError("x"), "done"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, 10),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"ratelimit": '"api";r=0;t=55'}, 55),
        ({"ratelimit": '"api";r=12;t=55'}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == expected
