"""How many resources there are, who may have them, and what is refused; as tables."""

from __future__ import annotations

from typing import Any

import pytest

from naiad.core.errors import InvalidConfiguration, LoadFailed
from naiad.core.model.config import RateLimit, RateResource
from naiad.scheduling.rate_limiter.resources import CPU, EVERY, GLOBAL, are_free, limits_of, needed, read_resources

R, S, G = (CPU, "R"), (CPU, "S"), (GLOBAL, "R")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["R:10"], {(EVERY, "R"): 10}),
        (["R:10:0", "R:3:1", "S:0"], {("0", "R"): 10, ("1", "R"): 3, (EVERY, "S"): 0}),
        (["R:4294967295:00"], {("0", "R"): 2**32 - 1}),
    ],
)
def test_what_the_operator_gives(options: list[str], expected: dict[tuple[str, str], int]) -> None:
    assert read_resources(options) == expected


@pytest.mark.parametrize(
    "option",
    ["", "R", ":1", "R:", "R:x", "R:-1", "R:1:", "R:1:x", "R:1:2:3", "R:1:-1", "R:1.5", "R:4294967296", "R:１"],
)
def test_what_it_cannot_be(option: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        read_resources([option])
    words = "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or '<resource_name>:<count>'. "
    assert refused.value.message == f"{words}Got {option}"


@pytest.mark.parametrize("options", [["R:1", "R:2"], ["R:1:0", "S:1", "R:1:00"]])
def test_no_count_is_given_twice(options: list[str]) -> None:
    with pytest.raises(InvalidConfiguration, match="the count of 'R' is given twice"):
        read_resources(options)


def test_what_an_execution_needs() -> None:
    limit = RateLimit((RateResource("R", 4), RateResource("R", 2, is_global=True), RateResource("S", 1)))
    assert needed(limit) == {R: 4, G: 2, S: 1}
    assert needed(RateLimit()) == {}


@pytest.mark.parametrize(
    ("needs", "given", "limits"),
    [
        pytest.param([], {}, {}, id="nobody needs anything"),
        pytest.param([{R: 2}, {R: 5, S: 1}, {}], {}, {R: 5, S: 1}, id="the most that one needs"),
        pytest.param([{R: 2}], {(EVERY, "R"): 7}, {R: 7}, id="on every device"),
        pytest.param([{R: 2}], {("0", "R"): 3, ("1", "R"): 9}, {R: 3}, id="on the device of CPUs"),
        pytest.param([{R: 2}], {("0", "R"): 3, (EVERY, "R"): 4}, {R: 4}, id="the larger of both"),
        pytest.param([{G: 2}], {("1", "R"): 3, (EVERY, "R"): 2}, {G: 3}, id="a global one whatever the device"),
        pytest.param([{R: 0}], {(EVERY, "S"): 1}, {R: 0}, id="none of what nobody needs"),
    ],
)
def test_how_many_there_are(needs: list[Any], given: Any, limits: Any) -> None:
    assert limits_of(needs, given) == limits


def too_few(count: int, least: int) -> str:
    return (
        f'Resource count for "R" is limited to {count} which will prevent scheduling of one or more model instances, '
        f"the minimum required count is {least}"
    )


@pytest.mark.parametrize(
    ("needs", "given", "words"),
    [
        (
            [{R: 4}, {R: 10}],
            {(EVERY, "R"): 5},
            too_few(5, 10),
        ),
        (
            [{R: 1}],
            {("1", "R"): 5},
            too_few(0, 1),
        ),
        (
            [{S: 1}, {G: 1}],
            {(EVERY, "Q"): 5},
            too_few(0, 1),
        ),
        (
            [{R: 1}, {G: 1}],
            {},
            'Resource "R" is present as both global and device-specific resource in the model configuration.',
        ),
        (
            [{R: 1, G: 1}],
            {(EVERY, "R"): 9},
            'Resource "R" is present as both global and device-specific resource in the model configuration.',
        ),
    ],
)
def test_what_could_never_run_is_refused_in_tritons_words(needs: list[Any], given: Any, words: str) -> None:
    with pytest.raises(LoadFailed) as refused:
        limits_of(needs, given)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("need", "taken", "expected"),
    [
        ({}, {R: 9}, True),
        ({R: 3}, {}, True),
        ({R: 3}, {R: 1}, True),
        ({R: 3}, {R: 2}, False),
        ({R: 1, S: 1}, {S: 1}, False),
        ({R: 0}, {R: 4}, True),
        ({("0", "gone"): 1}, {}, False),
    ],
)
def test_an_execution_takes_all_that_it_needs_or_nothing(need: Any, taken: Any, expected: bool) -> None:
    assert are_free(need, taken, {R: 4, S: 1}) is expected
