"""When a server that has failed is asked again: a table, and what always holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from naiad.serving.caching.shared.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, Breaker


def test_the_story_of_an_outage() -> None:
    breaker = Breaker().failed(10.0)
    assert breaker == Breaker(1, is_open=True, try_s=10.5)
    assert breaker.failed(10.4) == breaker, "what was under way fails as well"
    breaker = breaker.failed(10.5)
    assert breaker == Breaker(2, is_open=True, try_s=11.5), "the try failed"
    breaker = breaker.reached()
    assert (breaker.is_open, breaker.failures) == (False, 2)
    assert breaker.failed(12.0).try_s == 14.0, "it can be reached, but does not answer: the pause goes on growing"
    assert breaker.answered() == Breaker()


def test_an_answer_that_comes_late_ends_no_outage() -> None:
    breaker = Breaker().failed(0.0)
    assert breaker.answered() == breaker


def test_nothing_happens_while_all_is_well() -> None:
    assert Breaker().answered() == Breaker().reached() == Breaker()


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from(("failed", "reached", "answered"))), max_size=50))
def test_pauses_have_bounds(story: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(), 0.0
    for seconds, what in story:
        now += seconds
        before = breaker
        breaker = breaker.failed(now) if what == "failed" else getattr(breaker, what)()
        if breaker.is_open and breaker != before:
            assert breaker.try_s - now + 1e-9 >= FIRST_PAUSE_S
            assert breaker.try_s - now <= LONGEST_PAUSE_S + 1e-9
        if what == "reached":
            assert not breaker.is_open
