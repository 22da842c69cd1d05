"""Who has a place, who waits for one, and when a sequence is over; by a clock that the test moves."""

from __future__ import annotations

import logging
import math

import pytest
from given_steps import House, texts

from naiad.core.errors import InvalidRequest
from naiad.scheduling.sequences.live import SPARE_ENTRIES

START = "must specify the START flag on the first request of the sequence"


def test_steps_of_a_sequence_run_one_by_one_in_their_order() -> None:
    house = House(2)
    house.add("<a1", "a2", "a3>")
    assert house.ready == [["<a1"]]
    first = house.take("a")
    assert house.ready == [[]]
    house.end(first)
    assert [house.run("a"), house.run("a")] == ["a2", "a3>"]
    assert (house.live.active, house.live.length, house.places) == (0, 0, [{}])


def test_lanes_fill_evenly_and_the_lowest_free_place_is_taken() -> None:
    house = House(2, 2)
    house.add("<a", "<b", "<c", "<d")
    assert house.places == [{0: "a", 1: "c"}, {0: "b", 1: "d"}]
    house.add("b>")
    assert [house.run("b"), house.run("b")] == ["<b", "b>"]
    house.add("<e")
    assert house.places == [{0: "a", 1: "c"}, {0: "e", 1: "d"}]


def test_ready_ones_are_in_the_order_in_which_they_became_so() -> None:
    house = House(9)
    house.add("<a1", "a2", "<b1", "<c1")
    house.run("a")
    assert house.ready == [["<b1", "<c1", "a2"]]


def test_without_a_place_whole_sequences_wait_first_come_first_served() -> None:
    house = House(1)
    house.add("<a", "<b1", "<c1", "b2>", "a>")
    assert (house.live.active, house.live.waiting, house.live.length) == (1, 2, 5)
    house.run("a")
    house.run("a")
    assert (house.places, house.ready) == ([{0: "b"}], [["<b1"]])
    house.run("b")
    assert house.run("b") == "b2>"
    assert (house.places, house.live.waiting) == ([{0: "c"}], 0)


@pytest.mark.parametrize(
    ("before", "late"),
    [
        ((), "a"),
        ((), "a>"),
        (("<a>",), "a"),
        (("<a", "a>"), "a"),
        (("<b",), "a"),
    ],
)
def test_what_does_not_begin_a_sequence_belongs_to_one(before: tuple[str, ...], late: str) -> None:
    house = House(1)
    house.add(*before)
    with pytest.raises(InvalidRequest, match=f"^inference request for sequence a to model 'm' {START}$"):
        house.add(late)
    assert house.live.length == len(before)


def test_a_second_start_ends_what_was_before_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    house = House(1)
    with caplog.at_level(logging.WARNING):
        house.add("<a1", "a2", "<a3", "a4>")
    assert [record.message for record in caplog.records] == [
        "sequence a of model 'm' begins again without having ended; the one before ends here"
    ]
    assert [house.run("a") for _ in range(4)] == ["<a1", "a2", "<a3", "a4>"]
    assert house.live.active == 0


def test_one_of_the_same_id_never_runs_beside_the_one_before(caplog: pytest.LogCaptureFixture) -> None:
    """Models that know sequences by their id would mix them up."""
    house = House(3)
    house.add("<a1>", "<a2>")
    assert (house.live.active, house.ready, caplog.records) == (1, [["<a1>"]], [])
    assert [house.run("a"), house.run("a")] == ["<a1>", "<a2>"]
    assert house.live.active == 0


def test_one_of_the_same_id_has_no_better_right_to_the_place() -> None:
    house = House(1)
    house.add("<a1>", "<b1>", "<a2>")
    house.run("a")
    assert house.places == [{0: "b"}]
    house.run("b")
    assert house.run("a") == "<a2>"


def test_an_idle_sequence_ends_and_its_place_is_free() -> None:
    house = House(1, max_idle_s=10.0)
    house.add("<a")
    house.run("a")
    house.add("<b")
    assert house.later(9.9) == []
    assert house.live.waiting == 1
    assert house.later(0.1) == []
    assert house.places == [{0: "b"}]
    with pytest.raises(InvalidRequest, match=START):
        house.add("a")


def test_a_sequence_is_idle_from_its_last_answer_on() -> None:
    house = House(1, max_idle_s=10.0)
    (job,) = house.add("<a")
    house.take("a")
    house.later(100.0)
    house.end(job)
    assert house.later(9.0) == []
    house.add("a>")
    assert house.run("a") == "a>"


def test_a_sequence_that_waits_is_not_idle() -> None:
    house = House(1, max_idle_s=10.0)
    house.add("<a", "<b")
    house.later(100.0)
    assert (house.live.active, house.live.waiting) == (1, 1)


def test_the_time_of_a_request_counts_in_the_backlog_for_its_whole_sequence() -> None:
    house = House(1, max_idle_s=100.0)
    house.add("<a", timeout_s=1.0)
    house.add("<b1", timeout_s=5.0)
    house.add("b2", timeout_s=2.0)
    house.add("<c")
    assert house.later(1.9) == []
    words = "timeout of the corresponding sequence has been expired"
    assert house.later(0.2) == [("<b1", words), ("b2", words)]
    assert (house.live.waiting, house.live.length) == (1, 2)
    house.add("a>")
    house.run("a")
    house.run("a")
    assert house.places == [{0: "c"}]


def test_who_has_a_place_has_time() -> None:
    house = House(1, max_idle_s=100.0)
    house.add("<a>")
    house.add("<b>", timeout_s=2.0)
    house.run("a")
    assert house.later(50.0) == []
    assert house.run("b") == "<b>"


def test_a_withdrawn_step_takes_those_after_it_along_and_ends_the_sequence() -> None:
    house = House(1)
    _, middle, *_ = house.add("<a1", "a2", "a3")
    assert texts(house.live.withdraw(middle)) == ["a2", "a3"]
    assert house.live.withdraw(middle) == []
    assert house.run("a") == "<a1"
    assert (house.live.active, house.live.length) == (0, 0)


def test_a_withdrawn_step_leaves_what_begins_anew() -> None:
    house = House(1)
    _, middle, *_ = house.add("<a1", "a2", "a3>", "<a4>")
    assert texts(house.live.withdraw(middle)) == ["a2", "a3>"]
    assert [house.run("a"), house.run("a")] == ["<a1", "<a4>"]


def test_in_the_backlog_the_whole_sequence_is_withdrawn() -> None:
    house = House(1)
    house.add("<a")
    *_, last = house.add("<b1", "b2", "b3")
    assert texts(house.live.withdraw(last)) == ["<b1", "b2", "b3"]
    assert (house.live.waiting, house.live.length) == (0, 1)


def test_a_running_step_cannot_be_withdrawn() -> None:
    house = House(1)
    (job,) = house.add("<a")
    house.take("a")
    assert house.live.withdraw(job) == []
    house.end(job)
    assert house.live.active == 1


def test_after_a_failure_what_waits_is_given_back_and_the_place_is_free() -> None:
    house = House(1)
    job, *_ = house.add("<a1", "a2", "a3", "<b")
    house.take("a")
    assert texts(house.live.fail(job.sequence)) == ["a2", "a3"]
    house.end(job)
    assert (house.places, house.ready) == ([{0: "b"}], [["<b"]])
    with pytest.raises(InvalidRequest, match=START):
        house.add("a4")


def test_after_a_failure_what_begins_anew_goes_on() -> None:
    house = House(1)
    job, *_ = house.add("<a1", "<a2")
    house.take("a")
    assert house.live.fail(job.sequence) == []
    house.end(job)
    assert house.ready == [["<a2"]]


def test_when_no_more_come_a_sequence_is_over_when_nothing_of_it_waits() -> None:
    house = House(1)
    house.add("<a", "<b")
    house.run("a")
    house.live.take_no_more()
    assert house.places == [{0: "b"}]
    house.run("b")
    assert house.live.active == 0


def test_all_that_waits_can_be_taken_out() -> None:
    house = House(1)
    house.add("<a1", "a2", "<b")
    job = house.take("a")
    assert texts(house.live.clear()) == ["a2", "<b"]
    house.end(job)
    assert (house.ready, house.live.length) == ([[]], 0)


def test_any_number_of_places_costs_nothing() -> None:
    house = House(2**31 - 1)
    house.add("<a>", "<b")
    house.run("a")
    house.add("<c")
    assert house.places == [{0: "c", 1: "b"}]


def test_times_are_known_early_and_forgotten_with_their_sequences() -> None:
    house = House(5, max_idle_s=1e9)
    assert house.live.next_due_s == math.inf
    for _ in range(10 * SPARE_ENTRIES):
        house.add("<a>")
        house.run("a")
    assert house.live.next_due_s == 1e9
    assert len(house.live._due) <= SPARE_ENTRIES + 2
